"""The billing link: statements out at least once, answers, dues and payments in, both sides held together.

The doors (JSON over HTTP, IEC 61968-9 over HTTP, CSV by folder) only translate; what is done stands here once.
"""
