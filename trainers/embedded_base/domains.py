"""Everyday texts with facts in them: what the base learns extraction from. None of them is a job posting.

A domain is data: how its values are drawn, and frames (sentences with slots). A text is a handful of frames that
together mention a random part of the slots; the record is what was mentioned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from string import Formatter

from trainers.embedded_base import names

__all__ = ["DOMAINS", "Domain", "Flag", "Value", "compose"]

Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Flag:
    """A yes/no slot: sentences that say yes, and sentences that say no."""

    yes: tuple[str, ...]
    no: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """One kind of text."""

    kind: str
    values: Mapping[str, Callable[[Random], Value]]
    flags: Mapping[str, Flag]
    frames: tuple[str, ...]
    asides: tuple[str, ...] = ()


def _pick(text: str) -> Callable[[Random], Value]:
    options = [option.strip() for option in text.split(",")]
    return lambda rng: rng.choice(options)


def _count(low: int, high: int) -> Callable[[Random], Value]:
    return lambda rng: rng.randrange(low, high)


def _time(rng: Random) -> Value:
    return f"{rng.randrange(7, 23)}:{rng.choice(('00', '15', '30', '45'))}"


_day = _pick("Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday")
_months = "January,February,March,April,May,June,July,August,September,October,November,December"


def _date(rng: Random) -> Value:
    return f"{rng.randrange(1, 29)} {rng.choice(_months.split(','))}"


def _code(rng: Random) -> Value:
    return f"{rng.choice('ABCDEFGHKLMNPRSTWX')}{rng.choice('ABCDEFGHKLMNPRSTWX')}{rng.randrange(100, 999)}"


def _title(rng: Random) -> Value:
    heads = "Silent Broken Hidden Golden Last First Lost Quiet Burning Distant Empty Frozen Paper Winter".split()
    tails = "River Garden House Mirror Letter Island Bridge Forest Crown Tower Harbor Road Season Machine".split()
    return f"{rng.choice(('The ', 'A ', ''))}{rng.choice(heads)} {rng.choice(tails)}"


def _colour(rng: Random) -> Value:
    return rng.choice("black white brown grey ginger cream golden spotted striped".split())


DOMAINS: tuple[Domain, ...] = (
    Domain(
        "advert",
        {
            "item": names.product,
            "price": names.price,
            "seller": names.person,
            "place": names.city,
            "phone": names.phone,
        },
        {
            "negotiable": Flag(
                ("The price is negotiable.", "Open to offers.", "Make me an offer."),
                ("The price is fixed.", "No offers please.", "Firm price."),
            ),
            "delivery": Flag(
                ("I can deliver.", "Delivery is possible.", "Delivery included."),
                ("Pick up only.", "Collection only, no delivery.", "You must collect it yourself."),
            ),
        },
        (
            "For sale: {item}.",
            "Selling my {item} for {price} euros.",
            "A {item} in good shape, {price} euros.",
            "Call {seller} on {phone}.",
            "Ask for {seller}.",
            "Price: {price} euros.",
            "It can be seen in {place}.",
            "{seller} from {place} sells a {item}.",
            "{item} for sale in {place}, {price} euros.",
            "Phone {phone}.",
            "Located in {place}.",
            "Contact: {seller}, {phone}.",
        ),
        ("Hardly used.", "Bought two years ago.", "Works well.", "A few scratches.", "Smoke-free home."),
    ),
    Domain(
        "recipe",
        {
            "dish": _pick(
                "lentil soup,apple cake,fried rice,bean stew,potato salad,fish pie,onion tart,carrot soup,rice pudding,tomato pasta,mushroom omelette,pumpkin bread,corn fritters,chicken curry"
            ),
            "minutes": _count(5, 120),
            "servings": _count(2, 12),
            "cook": names.person,
            "main_ingredient": _pick(
                "lentils,apples,rice,beans,potatoes,fish,onions,carrots,tomatoes,mushrooms,pumpkin,corn,chicken,flour,eggs"
            ),
        },
        {
            "vegetarian": Flag(
                ("Suitable for vegetarians.", "This dish is vegetarian.", "No meat is used."),
                ("Not suitable for vegetarians.", "Contains meat.", "Not a vegetarian dish."),
            ),
            "spicy": Flag(
                ("It is quite spicy.", "Expect some heat, it is spicy."),
                ("It is not spicy at all.", "Mild enough for children."),
            ),
        },
        (
            "{dish}, a recipe by {cook}.",
            "Ready in {minutes} minutes.",
            "Serves {servings}.",
            "Today {cook} shows how to make {dish}.",
            "You need {main_ingredient} above all.",
            "Cooking time: {minutes} minutes, for {servings} people.",
            "The main ingredient is {main_ingredient}.",
            "{dish} takes {minutes} minutes.",
            "Enough for {servings} people.",
        ),
        ("Stir well.", "Season to taste.", "Serve warm.", "Best on the same day."),
    ),
    Domain(
        "support ticket",
        {
            "ticket": _count(1000, 99999),
            "customer": names.person,
            "product": names.product,
            "problem": _pick(
                "does not start,makes a loud noise,arrived broken,stops after an hour,leaks water,shows an error,loses power,has a missing part,smells burnt,cannot connect"
            ),
            "date": _date,
        },
        {
            "urgent": Flag(
                ("This is urgent.", "Please treat it as urgent.", "Needs an answer today."),
                ("Not urgent.", "There is no hurry.", "Whenever you have time."),
            ),
            "refund": Flag(
                ("The customer wants a refund.", "A refund is requested."),
                ("No refund is wanted.", "The customer does not ask for a refund."),
            ),
        },
        (
            "Ticket {ticket} from {customer}.",
            "The {product} {problem}.",
            "{customer} writes that the {product} {problem}.",
            "Opened on {date}.",
            "Reported by {customer} on {date}.",
            "Number {ticket}.",
            "Ticket {ticket}, opened {date}.",
            "Problem: it {problem}.",
            "Product: {product}.",
        ),
        ("We tried a restart.", "The manual did not help.", "Photos are attached."),
    ),
    Domain(
        "log line",
        {
            "time": _time,
            "level": _pick("INFO,WARN,ERROR,DEBUG"),
            "service": _pick("auth,billing,search,mailer,gateway,uploader,cache,indexer,scheduler,payments"),
            "code": _count(100, 599),
            "user": names.word,
            "host": lambda rng: f"{names.word(rng)}-{rng.randrange(1, 30)}",
        },
        {"retry": Flag(("retry=yes", "will retry"), ("retry=no", "no retry"))},
        (
            "{time} {level} {service}:",
            "[{level}] {time} {service}",
            "status {code}",
            "user={user}",
            "host {host}",
            "code={code} user={user}",
            "request by {user} on {host}",
            "{level} {service} at {time}",
        ),
        ("request done", "took 35 ms", "connection closed"),
    ),
    Domain(
        "event notice",
        {
            "event": _pick(
                "Jazz Night,Book Fair,Chess Open,Garden Show,Food Market,Poetry Evening,Robot Contest,Film Festival,Science Day,Craft Workshop,Winter Ball,Charity Run"
            ),
            "venue": names.firm,
            "city": names.city,
            "date": _date,
            "time": _time,
            "fee": names.price,
            "host": names.person,
        },
        {
            "free": Flag(
                ("Admission is free.", "Free entry.", "No ticket needed, it is free."),
                ("Tickets are required.", "Entry is not free.", "There is an entrance fee."),
            ),
            "outdoor": Flag(
                ("It takes place outdoors.", "Held in the open air."), ("It takes place indoors.", "Held inside.")
            ),
        },
        (
            "{event} at {venue} in {city}.",
            "Come to the {event} on {date} at {time}.",
            "Tickets cost {fee} euros.",
            "Doors open at {time}.",
            "Hosted by {host}.",
            "The {event} comes to {city}.",
            "Venue: {venue}.",
            "On {date} {host} opens the {event}.",
            "Date: {date}.",
            "Where: {venue}, {city}.",
        ),
        ("Bring your friends.", "Drinks are sold at the bar.", "Everybody is welcome."),
    ),
    Domain(
        "flat listing",
        {
            "rooms": _count(1, 7),
            "rent": lambda rng: rng.randrange(30, 300) * 10,
            "street": names.street,
            "city": names.city,
            "landlord": names.person,
            "floor": _count(1, 12),
            "size": _count(20, 160),
        },
        {
            "furnished": Flag(
                ("The flat is furnished.", "Comes fully furnished.", "Furniture is included."),
                ("The flat is unfurnished.", "Comes without furniture.", "Not furnished."),
            ),
            "pets": Flag(
                ("Pets are welcome.", "Pets allowed.", "You may keep a dog or cat."),
                ("No pets.", "Pets are not allowed.", "Sorry, no animals."),
            ),
        },
        (
            "{rooms} rooms at {street}.",
            "A flat with {rooms} rooms in {city}, {rent} euros a month.",
            "Rent: {rent} euros.",
            "On floor {floor}, {size} square metres.",
            "{landlord} lets a flat in {city}.",
            "Address: {street}, {city}.",
            "Call the landlord, {landlord}.",
            "{size} square metres.",
            "Floor {floor}.",
        ),
        ("Near the park.", "Close to the station.", "Quiet neighbours.", "Free from next month."),
    ),
    Domain(
        "book blurb",
        {
            "book": _title,
            "author": names.person,
            "year": _count(1950, 2026),
            "publisher": names.firm,
            "pages": _count(80, 900),
            "genre": _pick("crime,romance,fantasy,history,travel,poetry,science,horror,comedy,adventure"),
        },
        {
            "translated": Flag(
                ("Translated into English.", "This is a translation."),
                ("Written in English.", "In the original language."),
            ),
            "illustrated": Flag(
                ("With many pictures.", "Richly illustrated."), ("Without pictures.", "Not illustrated.")
            ),
        },
        (
            "{book} by {author}.",
            "{author} published {book} in {year}.",
            "A {genre} book of {pages} pages.",
            "Published by {publisher}.",
            "{publisher}, {year}.",
            "In {book} the reader finds {genre} at its best.",
            "{pages} pages.",
            "Genre: {genre}.",
            "First printed in {year}.",
            "Written by {author}.",
        ),
        ("Hard to put down.", "A quiet success.", "Critics praised it."),
    ),
    Domain(
        "travel booking",
        {
            "passenger": names.person,
            "origin": names.city,
            "destination": names.city,
            "date": _date,
            "flight": _code,
            "seat": lambda rng: f"{rng.randrange(1, 40)}{rng.choice('ABCDEF')}",
            "fare": names.price,
        },
        {
            "luggage": Flag(
                ("One bag is included.", "Luggage included.", "With checked luggage."),
                ("Hand luggage only.", "No luggage included.", "Without checked luggage."),
            ),
            "refundable": Flag(
                ("The ticket is refundable.", "Money back until the day before."),
                ("The ticket is not refundable.", "No refunds."),
            ),
        },
        (
            "{passenger} flies from {origin} to {destination}.",
            "Flight {flight} on {date}.",
            "Seat {seat}.",
            "Fare: {fare} euros.",
            "From {origin} to {destination} on {date}.",
            "Passenger: {passenger}, seat {seat}.",
            "Booking for {passenger}.",
            "Flight {flight} leaves {origin} for {destination}.",
            "It costs {fare} euros.",
        ),
        ("Please be early.", "Have a good trip.", "Check in online."),
    ),
    Domain(
        "weather report",
        {
            "town": names.city,
            "high": _count(5, 40),
            "low": _count(-15, 5),
            "wind": _count(3, 90),
            "sky": _pick("cloudy,clear,overcast,foggy,partly cloudy,hazy"),
            "day": _day,
        },
        {
            "rain": Flag(
                ("Rain is expected.", "Take an umbrella, it will rain.", "Showers in the afternoon."),
                ("It stays dry.", "No rain.", "Dry all day."),
            ),
            "warning": Flag(
                ("A storm warning is in force.", "There is a warning."),
                ("There are no warnings.", "No warning is in force."),
            ),
        },
        (
            "Weather for {town} on {day}.",
            "Highs of {high}, lows of {low}.",
            "Wind {wind} km/h.",
            "The sky over {town} is {sky}.",
            "{day}: {sky}, up to {high} degrees.",
            "At night {low} degrees.",
            "{town} sees wind of {wind} km/h.",
            "It will be {sky}.",
            "{day} in {town}.",
        ),
    ),
    Domain(
        "contact note",
        {
            "name": names.person,
            "employer": names.firm,
            "phone": names.phone,
            "email": lambda rng: f"{names.word(rng)}@{names.word(rng)}.com",
            "address": names.street,
            "birthday": _date,
        },
        {
            "newsletter": Flag(
                ("Wants the newsletter.", "Signed up for the newsletter."),
                ("Does not want the newsletter.", "No newsletter please."),
            ),
            "member": Flag(("Is a member.", "Already a member of the club."), ("Not a member.", "Has not joined yet.")),
        },
        (
            "{name} works at {employer}.",
            "Reach {name} at {phone}.",
            "Email: {email}.",
            "Lives at {address}.",
            "Birthday on {birthday}.",
            "{name}, {employer}, {phone}.",
            "Write to {email} or call {phone}.",
            "{name} was born on {birthday} and lives at {address}.",
            "Employer: {employer}.",
        ),
        ("Met at the fair.", "Prefers calls in the morning.", "An old friend."),
    ),
    Domain(
        "order",
        {
            "order": _count(100, 9999),
            "quantity": _count(1, 60),
            "item": names.product,
            "buyer": names.person,
            "shop": names.firm,
            "total": names.price,
            "due": _date,
        },
        {
            "paid": Flag(
                ("The invoice is paid.", "Payment received.", "Already paid."),
                ("The invoice is open.", "Not paid yet.", "Payment is still due."),
            ),
            "gift": Flag(("Wrap it as a gift.", "It is a gift."), ("No gift wrap.", "Not a gift.")),
        },
        (
            "Order {order}: {quantity} x {item}.",
            "{buyer} ordered {quantity} pieces of {item}.",
            "Bought at {shop}.",
            "Total {total} euros.",
            "Delivery by {due}.",
            "{shop} thanks {buyer}.",
            "Order number {order}.",
            "Total: {total} euros, due {due}.",
            "Item: {item}, quantity {quantity}.",
            "Sold by {shop} to {buyer}.",
        ),
        ("Thank you.", "Sent in one parcel."),
    ),
    Domain(
        "pet adoption note",
        {
            "pet": lambda rng: names.word(rng).capitalize(),
            "animal": _pick("cat,dog,rabbit,parrot,hamster,turtle,pony,goat"),
            "age": _count(1, 15),
            "colour": _colour,
            "shelter": names.firm,
            "town": names.city,
        },
        {
            "vaccinated": Flag(
                ("Fully vaccinated.", "Has had all its shots.", "Vaccinated."),
                ("Not vaccinated.", "Still needs its shots.", "Not yet vaccinated."),
            ),
            "children": Flag(
                ("Good with children.", "Loves children."), ("Not for homes with children.", "Afraid of children.")
            ),
        },
        (
            "{pet} is a {colour} {animal}.",
            "{pet} is {age} years old.",
            "Waiting at {shelter} in {town}.",
            "A {animal} of {age} years looks for a home.",
            "Meet {pet} at {shelter}.",
            "Colour: {colour}.",
            "{shelter}, {town}.",
            "The {animal} is called {pet}.",
            "Lives in {town} for now.",
        ),
        ("Very playful.", "A bit shy at first.", "Likes to sleep.", "Needs a garden."),
    ),
    Domain(
        "course description",
        {
            "course": _pick(
                "Basic Pottery,Italian Cooking,Watercolour Painting,Bookkeeping,First Aid,Woodworking,Creative Writing,Photography,Beekeeping,Public Speaking,Guitar for Beginners,Data Analysis"
            ),
            "teacher": names.person,
            "weeks": _count(2, 30),
            "fee": names.price,
            "room": lambda rng: f"{rng.choice('ABCDEFG')}{rng.randrange(1, 40)}",
            "starts": _date,
            "school": names.firm,
        },
        {
            "online": Flag(
                ("The course is online.", "Taught over video calls.", "You can take part online."),
                ("The course is held in the classroom.", "In person only.", "Not available online."),
            ),
            "certificate": Flag(
                ("You get a certificate.", "Ends with a certificate."),
                ("No certificate is given.", "Without a certificate."),
            ),
        },
        (
            "{course} with {teacher}.",
            "{weeks} weeks, {fee} euros.",
            "Room {room}.",
            "Starts on {starts}.",
            "{school} offers {course}.",
            "{teacher} teaches {course} at {school}.",
            "The course runs for {weeks} weeks.",
            "It costs {fee} euros and starts on {starts}.",
            "Taught in room {room}.",
            "Teacher: {teacher}.",
        ),
        ("No experience needed.", "Small groups.", "Bring an apron."),
    ),
    Domain(
        "match report",
        {
            "home": names.city,
            "guest": names.city,
            "goals": _count(0, 9),
            "scorer": names.person,
            "stadium": lambda rng: f"{names.surname(rng)} Park",
            "spectators": lambda rng: rng.randrange(1, 90) * 100,
            "referee": names.person,
        },
        {
            "overtime": Flag(
                ("The match went into overtime.", "Decided in overtime."),
                ("Decided in regular time.", "There was no overtime."),
            ),
            "final": Flag(("It was the final.", "The cup final."), ("It was a league match.", "Not a final.")),
        },
        (
            "{home} met {guest} at {stadium}.",
            "{scorer} scored the winner.",
            "{goals} goals fell.",
            "{spectators} people watched.",
            "Referee: {referee}.",
            "At {stadium} {home} played {guest}.",
            "{scorer} was the best player for {home}.",
            "With {spectators} spectators and {goals} goals.",
            "{referee} was in charge.",
        ),
        ("A fair match.", "Heavy rain before the break.", "The fans sang."),
    ),
    Domain(
        "lost and found note",
        {
            "thing": names.product,
            "colour": _colour,
            "found_at": names.firm,
            "finder": names.person,
            "date": _date,
            "phone": names.phone,
        },
        {
            "reward": Flag(("There is a reward.", "A reward is offered."), ("No reward.", "A reward is not offered.")),
            "claimed": Flag(
                ("Already claimed.", "The owner has come."), ("Nobody has claimed it yet.", "Still unclaimed.")
            ),
        },
        (
            "Found: a {colour} {thing}.",
            "{finder} found a {thing} at {found_at}.",
            "On {date} at {found_at}.",
            "Call {phone}.",
            "The {thing} is {colour}.",
            "Ask {finder}, {phone}.",
            "Handed in by {finder} on {date}.",
            "Found near {found_at}.",
        ),
        ("It is in good shape.", "Please bring proof.", "Kept at the desk."),
    ),
)


def compose(rng: Random, domain: Domain, size: int) -> tuple[str, dict[str, Value]]:
    """A text of the domain that mentions about `size` slots, and the record of what it mentions."""
    wanted = {slot: draw(rng) for slot, draw in domain.values.items()}
    left = set(rng.sample(sorted(wanted), min(size, len(wanted))))
    record: dict[str, Value] = {}
    sentences: list[str] = []
    for frame in rng.sample(domain.frames, len(domain.frames)):
        slots = [slot for _, slot, _, _ in Formatter().parse(frame) if slot]
        if left.issuperset(slots):
            left.difference_update(slots)
            record |= {slot: wanted[slot] for slot in slots}
            sentences.append(frame.format(**wanted))
    for name, flag in domain.flags.items():
        if rng.random() < 0.5:
            record[name] = rng.random() < 0.5
            sentences.append(rng.choice(flag.yes if record[name] else flag.no))
    if domain.asides and rng.random() < 0.5:
        sentences.append(rng.choice(domain.asides))
    if rng.random() < 0.6:
        rng.shuffle(sentences)
    return " ".join(sentences), record
