"""The meters' language, sans-IO, in both roles: DLMS/COSEM (IEC 62056-5-3, 6-1, 6-2) over the TCP wrapper."""
