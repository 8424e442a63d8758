"""The one ruler for second grade: what words, sentences, answers and whole interviews of a second-grader look like.

Pure Python: no Django, no network, no torch. The platform imports it; engines find it through the link
`training/engines/second_grade`, because that folder is all that they have on their path.

`VERSION` goes up whenever a figure of the package may come out otherwise for the same text. It is stored with each figure,
and figures of different versions are never compared.
"""

VERSION = "4"
