"""The field trial: a scorecard over some days of reading, with a verdict against configured limits.

``limits``    what a trial must reach, as configuration with the source of each number
``evidence``  what is judged: contacts, held slots, power cuts, comparisons
``outages``   hours in which a whole communication group was silent
``clocks``    offset and drift of a meter's clock from many contacts
``gaps``      missing slots and their causes
``scorecard`` the judgement, pure
``wording``   findings as sentences in English and Hindi
``collect``   gathers the evidence from records
``compare``   compares every stored value with what the meter itself holds
``sheet``     the scorecard as CSV
"""
