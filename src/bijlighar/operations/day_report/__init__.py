"""The day's report: what a civil day, a week or a month was, by place and make.

``totals`` computes a day's totals from its sealed blocks, once the day is over and again when they change;
``told`` puts days together, ``documents`` turns the result into what pages, spreadsheets and people read.
"""
