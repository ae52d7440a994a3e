"""Where bars come from: the seeded walk, or a file.

``files`` opens a file, ``csv_file`` or ``arrow_file`` gives its cells, ``bars`` checks them with the help of ``cells``,
and ``files`` keeps the bars.
"""
