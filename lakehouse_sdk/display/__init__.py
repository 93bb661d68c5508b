"""Ground: how results look, as HTML in a notebook and as text in a terminal.

Belongs here: templates, formatting of numbers and bytes, small inline charts. Must not: knowledge of any stage; callers hand
over plain values.
"""
