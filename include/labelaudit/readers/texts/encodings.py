"""Which encoding a text is in, where it is not UTF-8: a guess for people; deliveries are read as contracts say.

A candidate must decode all bytes. Of those that do, the one whose characters are the likeliest for the languages it
was made for: kana and everyday kanji, everyday hanzi, hangul, Latin letters beside Latin letters.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

TAKEN = ("cp1252", "latin-1", "shift_jis", "gb18030")
"""Those of the guessed encodings that contracts can name, beside UTF-8 and UTF-16."""

CANDIDATES = ("cp1252", "latin-1", "shift_jis", "gb18030", "euc_jp", "big5", "euc_kr", "cp1251")
LOOKED_AT_BYTES, LOOKED_AT_WORDS = 1 << 18, 500
SURE_WORDS, LEAST_SCORE = 5, 0.6
LEAST_MARGIN, MARGIN = 0.08, 0.6
"""By how much the likeliest must lead to be certain: MARGIN / sqrt(different words), or LEAST_MARGIN."""

WORD = re.compile(rb"[^\x00-\x40\x5b-\x60\x7b-\x7f]*[\x80-\xff][^\x00-\x40\x5b-\x60\x7b-\x7f]*")
_HANZI = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法"
    "学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外"
    "将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立"
    "及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统"
    "区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确"
    "传师观清今切院让识候带导争运猫狗马鸟鱼车树花图片标注错误正负好坏数据集模型验证任务运行状态显示删除编辑添加选择用户搜索配置连接变量池"
    "這個們來為國說時會對發後裡經麼學現當沒動還進開從實軍無與長機關點業將兩間問並應戰頭體見產給話員論處義幾認條係氣題爾別變總電數報結務場"
    "計資許統區隊決馬書則聽達難權設記類據張該規萬師觀讓識帶導爭運貓鳥魚車樹圖標註錯誤負壞"
)


@dataclass(frozen=True)
class Guess:
    """The likeliest encoding; whether it is certain; others that fit nearly as well. `taken`: contracts can name it."""

    encoding: str
    certain: bool
    others: tuple[str, ...] = ()

    @property
    def taken(self) -> bool:
        return self.encoding in TAKEN


def guessed(content: bytes, whole: bool = True) -> Guess:
    """The likeliest encoding of bytes that are not UTF-8; `whole`: they do not end within a character."""
    whole, content = whole and len(content) <= LOOKED_AT_BYTES, content[:LOOKED_AT_BYTES]
    kinds = [word for word, _ in Counter(WORD.findall(content)).most_common(LOOKED_AT_WORDS)]
    scores: dict[str, float] = {}
    for encoding in CANDIDATES:
        try:
            codecs.getincrementaldecoder(encoding)("strict").decode(content, final=whole)
        except UnicodeDecodeError:
            continue
        if encoding == "latin-1" and "cp1252" in scores:
            continue
        words = [word.decode(encoding, "ignore") for word in kinds]
        scores[encoding] = sum(_likelihood(word, encoding) for word in words) / max(len(words), 1)
    ranked = sorted(scores, key=lambda encoding: -scores[encoding])
    first = ranked[0]
    margin = max(LEAST_MARGIN, MARGIN / max(len(kinds), 1) ** 0.5)
    near = tuple(encoding for encoding in ranked[1:] if scores[encoding] > scores[first] - margin)
    certain = not near and len(kinds) >= SURE_WORDS and scores[first] >= LEAST_SCORE
    return Guess(first, certain, near)


def _likelihood(word: str, encoding: str) -> float:
    """How usual a word's characters are, 0 to 1, where it is in this encoding."""
    others = [letter for letter in word if not letter.isascii()]
    if not others:
        return 0.0
    if encoding in ("cp1252", "latin-1", "cp1251"):
        return sum(_alphabetic(word, encoding)) / len(others)
    glued = 0.3 if re.search(r"[A-Za-z][\uff61-\uff9f]|[\uff61-\uff9f][A-Za-z]", word) else 1.0
    return glued * sum(_EAST[encoding](letter) for letter in others) / len(others)


def _alphabetic(word: str, encoding: str) -> list[float]:
    likelihoods = []
    for place, letter in enumerate(word):
        if letter.isascii():
            continue
        before, after = word[place - 1 : place], word[place + 1 : place + 2]
        beside = before + after
        if encoding == "cp1251":
            own = "\u0400" <= letter <= "\u045f" and not any("A" <= neighbour.upper() <= "Z" for neighbour in beside)
            shouts = letter.isupper() and place > 0
            likelihoods.append(0.0 if not own else 0.4 if shouts else 0.9)
        elif not letter.isalpha():
            likelihoods.append(0.5 if letter in "–—‘’‚“”„…€£©®°·«»¿¡\u00a0" and not _accented(beside) else 0.0)
        else:
            shouts = letter.isupper() and before.islower()
            plain = [neighbour for neighbour in beside if neighbour.isascii() and neighbour.isalpha()]
            likelihoods.append(0.1 if shouts else 1.0 if plain else 0.25)
    return likelihoods


def _accented(letters: str) -> bool:
    return any(letter.isalpha() and not letter.isascii() for letter in letters)


def _japanese(letter: str) -> float:
    if "\u3041" <= letter <= "\u3096" or "\u30a1" <= letter <= "\u30fc":
        return 1.0
    if "\uff66" <= letter <= "\uff9f":
        return 0.8
    if "\u4e00" <= letter <= "\u9fff":
        lead = letter.encode("euc_jp", "ignore")[:1]
        return 0.85 if b"\xb0" <= lead <= b"\xcf" else 0.1
    return 0.7 if letter in "、。・「」！？：；（）　…〜％" else 0.0


def _simplified(letter: str) -> float:
    if letter in _HANZI:
        return 1.0
    lead = letter.encode("gb2312", "ignore")[:1]
    if "\u4e00" <= letter <= "\u9fff":
        return 0.7 if b"\xb0" <= lead <= b"\xd7" else 0.2 if lead else 0.1
    return 0.7 if letter in "，。、；：？！“”‘’（）《》【】…—　" else 0.0


def _traditional(letter: str) -> float:
    if letter in _HANZI:
        return 1.0
    if "\u4e00" <= letter <= "\u9fff":
        return 0.7 if letter.encode("big5", "ignore")[:1] <= b"\xc6" else 0.1
    return 0.7 if letter in "，。、；：？！「」『』（）…—　" else 0.0


def _korean(letter: str) -> float:
    return 1.0 if "\uac00" <= letter <= "\ud7a3" else 0.0


_EAST = {
    "shift_jis": _japanese,
    "euc_jp": _japanese,
    "gb18030": _simplified,
    "big5": _traditional,
    "euc_kr": _korean,
}
