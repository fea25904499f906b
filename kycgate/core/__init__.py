"""The values and rules of the gate: what is signed, by whom, about whom, and when it counts.

Pure: no clock, network, disk or framework. Bytes, keys and `now` are arguments.
"""
