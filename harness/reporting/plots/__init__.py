"""The figures of a report, one module each: what is computed, how it is drawn, the data beside it, its caption.

Every module has `compute`, which does no drawing, `draw_…`, which does no computing,
`…_rows`, the data as they are saved beside the figure, and `…_caption`, the text for those
who cannot see the figure and the caption for those who can.
"""
