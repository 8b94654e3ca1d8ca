"""`words:*`: what every word, or a certain one, must be like."""

from collections import Counter
from itertools import pairwise
from string import ascii_letters, ascii_lowercase

from lm_eval_tasks.benchmarks.ifbench.syllables import count_syllables
from lm_eval_tasks.benchmarks.ifbench.text import EDGES, MARKS, bare, sentences, tokens
from lm_eval_tasks.benchmarks.ifbench.verbs import starts_with_verb
from lm_eval_tasks.scoring.constraints import constraint

_CONSONANTS = frozenset(ascii_lowercase) - frozenset("aeiou")
_PRIMES = frozenset(n for n in range(2, 100) if all(n % d for d in range(2, n)))
_PALINDROMES, _PALINDROME_LENGTH = 10, 5


@constraint("words:alphabet")
def alphabet(text: str) -> bool:
    """Each word starts with the letter after that of the word before; A follows Z."""
    found = bare(text).split()
    if not found or found[0][0] not in ascii_letters:
        return False
    first = ascii_lowercase.index(found[0][0].lower())
    return all(word[0].lower() == ascii_lowercase[(first + place) % 26] for place, word in enumerate(found))


@constraint("words:vowel")
def vowel(text: str) -> bool:
    """One paragraph with at most three of the vowels A, E, I, O, U.

    Kept: in the whole of it, not in each word.
    """
    return "\n" not in text.strip() and len(set(text.lower()) & set("aeiou")) <= 3


@constraint("words:consonants")
def consonants(text: str) -> bool:
    """Every word has two consonants in a row."""
    return all(any(_CONSONANTS.issuperset(pair) for pair in pairwise(word)) for word in text.lower().split())


@constraint("words:palindrome")
def palindrome(text: str) -> bool:
    """At least ten palindromes of five characters or more; one that occurs again counts again."""
    found = (word for word in bare(text).lower().split() if len(word) >= _PALINDROME_LENGTH)
    return sum(word == word[::-1] for word in found) >= _PALINDROMES


@constraint("words:prime_lengths")
def prime_lengths(text: str) -> bool:
    """The lengths of all words, punctuation aside, are prime numbers below 100."""
    return all(len(word) in _PRIMES for word in bare(text).split())


@constraint("words:start_verb")
def start_verb(text: str) -> bool:
    """The first token is a verb by `verbs.starts_with_verb`; the public checker asks a statistical tagger."""
    return starts_with_verb(tokens(next(iter(sentences(text)), "")))


@constraint("words:repeats")
def repeats(text: str, *, small_n: int) -> bool:
    """No word, in any case, occurs more than so many times."""
    return max(Counter(bare(text.lower()).split()).values(), default=0) <= small_n


@constraint("words:odd_even_syllables")
def odd_even_syllables(text: str) -> bool:
    """Words with an odd number of syllables and words with an even one alternate, by `syllables`."""
    parities = [count_syllables(word) % 2 for word in bare(text).lower().split()]
    return all(one != other for one, other in pairwise(parities))


@constraint("words:last_first")
def last_first(text: str) -> bool:
    """The last word of each sentence is the first of the next, in any case."""
    for one, other in pairwise(sentences(text)):
        last, first = one.rstrip(EDGES).split(), other.lstrip(EDGES).split()
        if not last or not first or last[-1].lower() != first[0].lower():
            return False
    return True


@constraint("words:paragraph_last_first")
def paragraph_last_first(text: str) -> bool:
    """Every line that has words ends with the word that it starts with, in any case."""
    found = (line.strip().strip(EDGES).split() for line in text.lower().split("\n"))
    return all(not line or line[0] == line[-1] for line in found)


@constraint("words:no_consecutive")
def no_consecutive(text: str) -> bool:
    """No two words in a row have the same first letter, in any case."""
    return all(one[0] != other[0] for one, other in pairwise(bare(text.lower()).split()))


@constraint("words:keywords_specific_position")
def keywords_specific_position(text: str, *, keyword: str, n: int, m: int) -> bool:
    """The m-th word of the n-th sentence is the keyword, in any case; marks are no words."""
    found = sentences(text)
    if not 1 <= n <= len(found):
        return False
    said = [token for token in tokens(found[n - 1]) if any(map(str.isalnum, token))]
    return 1 <= m <= len(said) and said[m - 1].lower() == keyword.strip().lower()


@constraint("words:words_position")
def words_position(text: str, *, keyword: str) -> bool:
    """The second word and the last but one are the keyword, in any case.

    Kept: only one mark at the end is passed over; one anywhere else counts as a word.
    """
    said = [token.lower() for token in tokens(text)]
    if said and said[-1] in MARKS:
        said = said[:-1]
    return len(said) >= 2 and said[1] == said[-2] == keyword.strip().lower()
