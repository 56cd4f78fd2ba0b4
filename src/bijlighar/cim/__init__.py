"""The words of the utility: usage point, meter, transformer, feeder, reading type, quality, event, period.

Names follow IEC 61968-9 and IS 15959. Pure values: nothing here opens, waits, reads a clock or draws a number.
"""
