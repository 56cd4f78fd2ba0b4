"""Service levels of a civil day: what was there in time, how quickly was answered, and what kept the rest away.

``judged`` gathers the evidence and judges; ``documents`` turns the judgement into what pages, spreadsheets and
people read; ``keeping`` remembers what can change no more.
"""
