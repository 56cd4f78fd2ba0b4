"""The meters' language, sans-IO, in both roles: DLMS/COSEM (IEC 62056-5-3, 6-1, 6-2) over wrapper, UDP and HDLC.

As a library it is described, with examples, in ``docs/dlms.md``.
"""
