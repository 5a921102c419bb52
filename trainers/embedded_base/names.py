"""Names for things: people, places, firms and made-up words, so that copying has to be learned, not remembered."""

from random import Random

from trainers.embedded_base.lexicon import ADJECTIVES, NOUNS, VERBS_S, plural

__all__ = ["city", "firm", "person", "phone", "price", "product", "street", "surname", "word"]

_ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pl qu r s sh sl st t th tr v w y z".split()
_VOWELS = "a a e e i i o o u ai ea ee oa ou".split()
_CODAS = ["", "", "", "l", "m", "n", "r", "s", "t", "ck", "ld", "nd", "nt", "rd", "rn", "rk", "x"]
_ENDINGS = "a ia o en er ey in is on or us well wood ford".split()

_FIRST = """Ada Amir Anja Ben Bruno Carla Chloe Daria David Elena Emil Farah Felix Gina Hugo Ines Ivan Jana Jonas Kamal
Karin Leo Lena Luis Maya Mila Nadia Nils Olga Omar Paula Pedro Rania Rosa Sami Sara Tom Tara Uma Viktor Wanda Yuki
Zoe Aaron Alice Anton Bella Boris Clara Diego Edith Erik Fiona Frank Greta Hanna Henry Iris Jack Julia Kira Lars Laura
Marco Maria Mark Nina Noah Oscar Peter Petra Ravi Rita Simon Sofia Stefan Thea Tina Ulrich Vera Walter Yasmin Zara""".split()
_LAST = """Adler Baker Bauer Bennett Berg Blake Brandt Carter Castillo Cole Costa Dahl Diaz Dunn Ellis Evans Fischer Flores
Foster Garcia Grant Gray Hale Hansen Hart Hill Hughes Ito Jensen Kaya Keller Khan Klein Kowalski Lang Larsen Lee Lopez
Marsh Martin Mendes Meyer Moreau Morgan Nash Novak Olsen Ortiz Parker Patel Perez Reed Reyes Rossi Roth Russo Sato
Schmidt Silva Singh Stone Suzuki Tanaka Torres Vargas Vega Wagner Walsh Weber West Wolf Wong Young Zimmer""".split()
_CITIES = """Aarhus Alicante Antwerp Athens Basel Bergen Bilbao Bologna Boston Bremen Brno Bruges Calgary Cardiff Chicago
Cologne Cork Dallas Delft Denver Dresden Dundee Faro Florence Genoa Ghent Girona Gothenburg Halifax Hamburg Hanoi
Houston Izmir Jakarta Kazan Kobe Krakow Kyoto Lagos Lille Lima Linz Lucerne Lund Lyon Malaga Malmo Marseille Memphis
Milan Montreal Munich Nairobi Nantes Naples Nice Odense Osaka Oslo Ottawa Palermo Parma Perth Phoenix Pisa Porto Quito
Riga Rotterdam Salzburg Seattle Seoul Seville Split Stuttgart Tampa Tartu Toledo Toronto Trieste Turin Utrecht Valencia
Verona Vilnius York Zagreb""".split()
_FIRM_HEADS = """Amber Anchor Arrow Aspen Birch Blue Bold Bright Cedar Clear Copper Coral Crown Delta Echo Ember Falcon Fern
Frost Golden Granite Green Harbor Hazel Iron Ivory Jade Lunar Maple Meadow Metro Nova Oak Ocean Opal Orchid Pearl Pine
Polar Prime Quick Raven Red River Rocket Royal Ruby Silver Sky Solar Spring Star Stone Summit Sun Swift Tidal Urban Velvet
Violet West White Wild Willow Wind Winter""".split()
_FIRM_TAILS = """Bakery Books Cafe Cycles Dairy Design Energy Farms Foods Garage Gardens Goods Hotel House Imports Kitchen
Labs Logistics Market Media Motors Music Outfitters Paper Pharmacy Press Repairs Services Shop Sports Store Studio Supply
Systems Textiles Tools Toys Travel Union Works Group Partners Software Health Bank Airlines Robotics Analytics""".split()
_PRODUCT_ADJ = """black blue brown compact cotton digital electric folding green grey heavy large leather light mini modern
narrow new old orange plain portable red round silver small square steel strong thin vintage white wide wooden yellow""".split()
_PRODUCT_NOUN = """armchair backpack bench bicycle blender bookshelf camera carpet chair clock coat cupboard desk drill fan
guitar hammer heater helmet iron jacket kettle keyboard ladder lamp laptop mattress microscope mirror monitor mug oven
piano printer radio rug scooter shelf skateboard sofa speaker stool suitcase table telescope tent toaster trumpet umbrella
vase violin wardrobe watch""".split()
_COUNTRIES = """Algeria Argentina Australia Austria Belgium Bolivia Brazil Bulgaria Canada Chile China Colombia Croatia
Cuba Cyprus Denmark Ecuador Egypt Estonia Finland France Georgia Germany Ghana Greece Hungary Iceland India Indonesia
Ireland Italy Jamaica Japan Jordan Kenya Latvia Lebanon Lithuania Luxembourg Malaysia Malta Mexico Mongolia Morocco Nepal
Netherlands Nigeria Norway Oman Pakistan Panama Paraguay Peru Philippines Poland Portugal Romania Senegal Serbia Singapore
Slovakia Slovenia Spain Sweden Switzerland Tanzania Thailand Tunisia Turkey Uganda Ukraine Uruguay Vietnam Zambia""".split()
_STEMS_END = """beck berg borough bourne bridge brook burn bury by cliff combe cott dale dell den field fleet ford gate ham
haven heath hill holm hurst kirk land lane leigh line ley low mark mere mill moor more mouth ness park pool port rock row
shaw shire side stead stone stow thorpe ton vale view wall ward water way well wich wick wold wood worth yard""".split()
_ODD = "bcdfghjklmnprstvwz"
_STREETS = "Street Road Lane Avenue Square Hill Gate Court Park Row".split()


def word(rng: Random) -> str:
    """A made-up lower-case word of two or three syllables."""
    syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((1, 2, 2)))]
    return "".join(syllables) + rng.choice(_ENDINGS)


def _coined(rng: Random) -> str:
    """A capitalised name made in one of many ways: compounds, halves of words, syllables, odd letters, fragments."""
    return rng.choice(_COINAGES)(rng).capitalize()


def _halves(rng: Random) -> str:
    return rng.choice(NOUNS)[: rng.randint(2, 4)] + rng.choice(NOUNS)[-rng.randint(2, 5) :]


def _grown(rng: Random) -> str:
    stem = rng.choice((rng.choice(_LAST), rng.choice(_FIRST), rng.choice(_CITIES), rng.choice(_FIRM_HEADS))).lower()
    return stem[: rng.randint(3, 5)] + rng.choice(_STEMS_END)


def _letters(rng: Random) -> str:
    pairs = [rng.choice(_ODD) + rng.choice("aeiou") for _ in range(rng.randint(2, 4))]
    return "".join(pairs) + rng.choice(("", "n", "r", "s", "k", "t", "l"))


def _pieces(rng: Random) -> str:
    """A string of word fragments, so that every part of a word is met and copied somewhere."""
    pieces = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        source = rng.choice((NOUNS, NOUNS, ADJECTIVES, VERBS_S))
        text = rng.choice(source)
        start = rng.randrange(max(1, len(text) - 3))
        pieces.append(text[start : start + rng.randint(2, 7)])
    return "".join(pieces)


_COINAGES = (
    _pieces,
    _pieces,
    _pieces,
    _halves,
    _grown,
    _letters,
    word,
    lambda rng: rng.choice(NOUNS) + rng.choice(_STEMS_END),
    lambda rng: rng.choice(ADJECTIVES) + rng.choice(_STEMS_END),
    lambda rng: word(rng) + rng.choice(_STEMS_END),
)


def _tail(rng: Random) -> str:
    """The last word of a firm's name, often a plural."""
    if rng.random() < 0.4:
        return rng.choice(_FIRM_TAILS)
    noun = rng.choice((*NOUNS, *ADJECTIVES))
    return (plural(noun) if rng.random() < 0.5 else noun).capitalize()


def surname(rng: Random) -> str:
    """A family name; two in three made up."""
    return rng.choice(_LAST) if rng.random() < 0.33 else _coined(rng)


def person(rng: Random) -> str:
    """First and family name."""
    first = rng.choice(_FIRST) if rng.random() < 0.8 else word(rng).capitalize()
    return f"{first} {surname(rng)}"


def city(rng: Random) -> str:
    """A place; half of them made up, one in three with a country or region."""
    name = rng.choice(_CITIES) if rng.random() < 0.5 else _coined(rng)
    if rng.random() < 0.12:
        name = f"{rng.choice(('New', 'North', 'South', 'East', 'West', 'Port', 'San', 'Old', 'Upper', 'Saint'))} {name}"
    if rng.random() < 0.33:
        name = f"{name}, {rng.choice(_COUNTRIES) if rng.random() < 0.6 else _coined(rng)}"
    return name


_FIRMS = (
    lambda rng: f"{surname(rng)} & {surname(rng)}",
    lambda rng: f"{surname(rng)} {_tail(rng)}",
    lambda rng: f"{_coined(rng)} {_tail(rng)}",
    lambda rng: f"{_coined(rng)} {_tail(rng)}",
    lambda rng: f"{_coined(rng)} {rng.choice(NOUNS).capitalize()} {_tail(rng)}",
    lambda rng: rng.choice(_FIRM_HEADS) + rng.choice((*_STEMS_END, *(noun.lower() for noun in _FIRM_TAILS))),
    _coined,
    lambda rng: f"{rng.choice(_FIRM_HEADS)} {_tail(rng)}",
)


def firm(rng: Random) -> str:
    """A firm's name in one of the usual shapes."""
    return rng.choice(_FIRMS)(rng)


def product(rng: Random) -> str:
    """A thing one can buy, in lower case."""
    noun = rng.choice(_PRODUCT_NOUN)
    return noun if rng.random() < 0.3 else f"{rng.choice(_PRODUCT_ADJ)} {noun}"


def street(rng: Random) -> str:
    """A street with a house number."""
    return f"{rng.randrange(1, 199)} {surname(rng)} {rng.choice(_STREETS)}"


def price(rng: Random) -> int:
    """A whole price between 1 and 990; round ones are commoner, as in shops."""
    return rng.choice((rng.randrange(1, 100), rng.randrange(1, 100) * 10, rng.randrange(1, 20) * 5))


def phone(rng: Random) -> str:
    """A short telephone number such as `555-0142`."""
    return f"{rng.randrange(200, 999)}-{rng.randrange(10000):04d}"
