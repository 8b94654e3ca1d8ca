"""Words that constraints count."""

_PERSONAL = """
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her
hers herself it its itself they them their theirs themselves this that these those who whom whose which what
"""
_FURTHER_PRONOUNS = """
whoever whomever whatever whichever each either neither both all some any none anybody anyone anything
everybody everyone everything nobody nothing somebody someone something
"""
_SMALL_WORDS = """
a an the and but if or because as until while of at by for with about against between into through during
before after above below to from up down in out on off over under again further then once here there when
where why how all any both each few more most other some such no nor not only own same so than too very am
is are was were be been being have has had having do does did doing can will just don should now
"""
_PIECES_OF_CONTRACTIONS = """
s t d ll m o re ve y ain aren couldn didn doesn hadn hasn haven isn ma mightn mustn needn shan shouldn wasn
weren won wouldn
"""
_NAMES = """
Abigail Alexander Amelia Andrew Aria Audrey Ava Benjamin Charlotte Chloe Christopher Claire Daniel David
Elijah Ella Emma Ethan Gabriel Grace Hannah Harper Isabella Jackson Jacob Jonathan Joseph Layla Leo Liam
Lily Lucas Mason Matthew Mia Nathan Nicholas Noah Nora Olivia Owen Penelope Ryan Samuel Scarlett Sophia
Stella Thomas Victoria Zoe
"""
_CAPITALS = """
Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam
Warsaw London Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana
Zagreb
"""

CONJUNCTIONS = frozenset(["for", "and", "nor", "but", "or", "yet", "so"])
"""The coordinating conjunctions."""

PRONOUNS = frozenset((_PERSONAL + _FURTHER_PRONOUNS).split())
"""Those that the public checker counts; `one` and `such` are not among them."""

STOP_WORDS = frozenset((_PERSONAL + _SMALL_WORDS + _PIECES_OF_CONTRACTIONS).split()) - {"mine", "us", "whose"}
r"""English stop words as nltk lists them, but for those with an apostrophe, which no match of `\w+` is."""

PERSON_NAMES = tuple(_NAMES.split())
"""The names that the task lists."""

NORTHERN_CAPITALS = tuple(_CAPITALS.split())
"""European capitals north of 45 degrees, from north to south, as the public checker has them."""
