"""Plain records, a file for each subject, as `base.Store` takes and gives them.

Hold no rules and no personal data but sealed. Times are Unix seconds UTC.
"""
