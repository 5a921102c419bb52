"""Common English words and simple sentences made of them, so that the base knows more words than its tasks need."""

from random import Random

__all__ = ["ADJECTIVES", "NOUNS", "VERBS_S", "infinitive", "phrase", "plural", "sentence"]

NOUNS = """ability access accident advantage adventure adviser affair allowance ambition amount analysis apple archive
argument attempt attention attitude audience award balance base basis candidate canteen capacity carpet charity chemistry
chief choice colleague comment comparison computer concept conclusion condition conference confidence connection consultant
context contrast conversation core courage creation crisis criticism currency curve daylight delay demand democracy depth
description desire device dialogue difference difficulty dinner discussion distribution division duration economy edge
edition election element elevator emotion emphasis employment engineering entrance environment equipment essay estate event
examination excitement exchange existence expansion expense experience explanation expression extent facility feedback
ferry finance firmware fitness foundation fraud freight friendship function furniture graphics guidance guideline habit
hardware headquarters highway household housing hunger importance impression improvement income independence information
initiative innovation inspection instance institute instruction instrument intention interest interview introduction
investment invoice kitchen leadership lecture length literature location maintenance majority management manufacturer
marriage meadow membership mixture mobility mood motion negotiation objective observation occasion operation opportunity
organization origin output ownership parking payroll perception performance permission perspective phase philosophy platform
pleasure politics population possession possibility preference preparation presence presentation pressure principle priority
procedure promotion proportion proposal protection purchase railway reaction reality recognition recommendation reference
reflection replacement representative republic requirement reservation resource response responsibility retail robotics
salary sample satisfaction savings scenario security selection sentence significance situation software solar stability
statement storage strategy structure suggestion supply survey sympathy technique tenant tension theatre tradition training
transition translation transport treatment union variety venture version violence vision volume warning weakness wealth
website wedding welfare account actor address advice agency agent air airport answer apartment architect area army arrival art article
artist assistant author autumn baby bag bakery baker ball band bank barber basket bath battery beach beauty bed bell
benefit bill bird birth board boat body bone bonus book border boss bottle bottom bowl box boy branch brand bread
breakfast bridge broker brother budget builder building business butcher button buyer cabin cable cake camp campus card
career cashier castle category cause ceiling center chair chance change channel chapter chef chemist child church circle
citizen city class cleaner clerk client climate clinic clock cloth cloud club coach coast code coffee college colour
column comfort commuter community company concert contract cook copy corner cost cotton council counter country couple
course court cousin cover craft cream credit crew crop crowd culture cup customer cycle dance danger data date daughter
day deal dealer debt decision degree delivery dentist department deposit depot desert design designer desk detail
developer device diet dinner direction director discount disease dish distance district doctor document dog door dream
dress drink driver duty earth east economist editor education effect effort egg electrician employee employer energy
engine engineer enemy entry error evening event evidence exam example executive exit expert eye fabric face factory fact
failure family fan farm farmer fashion father fault feather feature fee field figure film finger fire fish flag flight
floor florist flower food foot force forest form forward frame freedom friend front fruit fuel future game garden gas gate
gift girl glass goal gold government grain grandmother grass ground group growth guard guest guide gym hair half hall hand
harbour head health heart heat height help hill history hobby holiday home honey hope horse hospital host hotel hour house
husband ice idea image industry inspector insurance intern island item job joiner joke journal journalist journey joy
judge juice jury key kind king kitchen knee knife knowledge lab labour lady lake land language laptop law lawyer lead
leader leaf leg lesson letter level librarian library licence life lift light limit line link list load loan location
lock logistics loss love luck lunch machine mail majority man manager manner map mark market marketing master match
material matter meal meaning measure mechanic media medicine meeting member memory menu metal method middle midwife milk
mind miner minute mirror mission mistake model moment money month mood moon morning mother motor mountain mouth movie
museum music name nation nature neck need neighbour network news night noise north note notice novel number nurse object
ocean offer office officer oil operator opinion option order owner package page pain painter pair palace paper parent
park part partner party passenger past path patient pattern pay payment peace pen pension people period person pharmacist
phone photo photographer picture piece pilot place plan plane planner plant plate player plumber pocket poem poet point
police policy pool porter position post potato power practice present press price priest prince principal printer prize
problem process producer product profession professor profit program project proof property public pupil purpose quality
quarter queen question race radio rain range rate reader reason receptionist record recruiter region relation remote
report researcher rest result review reward rice ring river road rock role roof room root rope rule salary sale salt sand
scale scene schedule school science scientist screen sea season seat secretary section sector security seed seller senior
series service session shape share sheet shelf shift ship shirt shock shoe shop show side sign signal silver sister site
size skill skin sky sleep smell smile smoke snow society soil soldier solution son song sound soup source south space
specialist speech speed spirit sport spot spring staff stage stair standard star start state station steel step stock
stone store storm story stranger strategist street strength student studio study style subject success sugar summer sun
supervisor supplier support surface surgeon surprise system table tailor talent task taste tax teacher team technician
technology telephone temperature tenant term test text theory thing thought thread ticket tide time tin title tone tool
tooth top total touch tour town toy track trade trader traffic train trainee trainer translator travel tree trip trouble
truck trust truth tutor type uncle union unit university user vacancy valley value van vehicle vet victim view village
visit visitor voice volunteer wage waiter walk wall war warehouse watch water wave way weather web week weight welder west
wheel wife wind window wine winner winter wire woman wood wool word work worker workshop world writer yard year youth zone
""".split()
ADJECTIVES = """able active afraid ancient angry annual bitter brave brief bright broad busy calm careful central certain
cheap clean clear clever cold common cool crazy creative daily dark dear deep different digital direct double dry dull eager early
easy empty equal expert extra fair famous fast final fine firm flat flexible foreign formal free fresh friendly full
fun general gentle global glad good great grey happy hard head healthy heavy helpful high honest hot huge hungry ideal
junior keen kind large late lazy lead legal local lonely long loose loud low lucky main major medical mobile modern
national natural near neat new noisy normal nice odd official old open permanent personal plain polite poor popular
private proud public pure quick quiet rapid rare raw ready real regional regular remote rich right rough round rural safe
sad senior serious sharp short sick simple slow small smart smooth social soft sore special stable steady stiff strange
strict strong sudden sweet tall technical temporary thick thin tiny tired total urban useful usual vast warm weak wet wide
wild wise wonderful young""".split()
VERBS_S = """achieves allows applies arranges attends belongs changes checks compares completes confirms connects
considers contains controls counts decides deserves develops divides drafts earns employs encourages expects explores fills
gathers governs guides handles helps hires hopes identifies imagines improves includes increases informs inspires installs
introduces lends limits maintains matches mentions obtains operates organises owns performs permits possesses practises prefers
presents prevents promises promotes proves provides publishes purchases raises recommends records reduces refuses regards
rejects relates relies remains removes rents replaces represents requests requires researches respects rests reveals rewards
satisfies searches selects settles shapes solves sorts spreads stores suggests suits supervises surprises tends tracks trades
transports treats updates values wishes wonders accepts adds admires answers asks avoids bakes based begins blames borrows breaks brings builds buys calls
carries catches chooses cleans closes collects cooks covers creates crosses cuts delivers describes designs discovers
draws drives drops enjoys enters explains feeds fills finds finishes fixes follows forgets gets gives grows guards hears
helps hires holds invites joins keeps knows leads learns leaves lifts likes loses loves makes manages measures meets
mends misses moves needs notices offers opens orders paints passes pays picks plans plays prepares prints produces
protects pulls pushes reaches reads receives remembers repairs reports returns runs saves seeks seems sees sells sends
serves shares shows signs sings spends starts stops studies supports takes teaches tells tests throws touches trains
trusts uses visits waits wants warns washes watches wears welcomes wins writes""".split()
_LINKS = "in on near with from under after before behind without beside at for about into over".split()
_MODALS = ("should", "can", "must", "may", "will", "would")
_OPENERS = """Ideally Please Then Perhaps Usually Sometimes Often Soon Now Today Later Finally Still Maybe Meanwhile However
Therefore Besides Here There Whenever Because Although Since While When If Once Before After""".split()
_ADVERBS = "today now often never always soon again early late slowly quickly well together alone there here".split()


def phrase(rng: Random) -> str:
    """One to three words in title case, such as `Senior Garden Planner`."""
    words = [rng.choice(NOUNS) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.5:
        words.insert(0, rng.choice(ADJECTIVES))
    return " ".join(word.capitalize() for word in words)


def plural(noun: str) -> str:
    """The regular plural."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"


def infinitive(verb: str) -> str:
    """The plain form of a verb in the third person."""
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if verb.endswith(("ches", "shes", "sses", "xes")) else verb[:-1]


_STATEMENT = "{The} {one} {verbs} {the} {two}"
_FRAMES = (
    _STATEMENT, _STATEMENT, _STATEMENT, _STATEMENT,
    "{Many} {modal} {do} {the} {two}",
    "You {modal} {do} {the} {one} {link} {many}",
    "You {do} {the} {one}",
    "{Do} {the} {one} {and} {do2} {the} {two}",
    "{Opener} {we} {do} {the} {one}",
    "There {is} {the} {one} {link} {the} {two}",
    "{Many} and {many} are {adjective}",
    "Some {many} {do} {adverb}, others {do2} {the} {one}",
    "{Opener} {the} {one} {verbs} {number} {many}",
)  # fmt: skip


def sentence(rng: Random) -> str:
    """A grammatical sentence: a statement, a wish, an order or a remark, with its mark at the end."""
    text = rng.choice(_FRAMES).format(
        The=rng.choice(("The", "A", "Our", "Your", "This", "My", "Every")),
        the=rng.choice(("the", "a", "our", "your", "some", "this")),
        one=_thing(rng),
        two=_thing(rng),
        verbs=rng.choice(VERBS_S),
        do=infinitive(rng.choice(VERBS_S)),
        do2=infinitive(rng.choice(VERBS_S)),
        Do=infinitive(rng.choice(VERBS_S)).capitalize(),
        many=plural(rng.choice(NOUNS)),
        Many=plural(rng.choice(NOUNS)).capitalize(),
        modal=rng.choice(_MODALS),
        link=rng.choice(_LINKS),
        Opener=rng.choice(_OPENERS),
        adjective=rng.choice(ADJECTIVES),
        adverb=rng.choice(_ADVERBS),
        we=rng.choice(("we", "you", "they", "all of us")),
        **{"is": rng.choice(("is", "was", "will be")), "and": rng.choice(("and", "or", "then"))},
        number=rng.randrange(2, 99),
    )
    if rng.random() < 0.25:
        text += f" {rng.choice(_LINKS)} the {_thing(rng)}"
    if rng.random() < 0.2:
        text += f" {rng.choice(_ADVERBS)}"
    return text + rng.choice((".", ".", ".", ".", "!", "?"))


def _thing(rng: Random) -> str:
    noun = rng.choice(NOUNS)
    return f"{rng.choice(ADJECTIVES)} {noun}" if rng.random() < 0.5 else noun
