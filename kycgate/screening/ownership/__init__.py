"""Who owns and who controls a company, through every layer, as of a date, and what is not known.

Names no country restricted and no party listed: the caller says who is. Reads no file by itself.
"""
