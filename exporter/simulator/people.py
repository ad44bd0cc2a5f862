"""Who sends the simulated events: made-up people on made-up devices, one line template each.

A template is an event with all 55 keys in Amplitude's order and a hole wherever an event differs from the
person's other events. Filling holes is what makes half a gigabyte of events in seconds.
"""

import json
import random

KEYS = (
    "$insert_id", "$insert_key", "$schema", "adid", "amplitude_attribution_ids",
    "amplitude_event_type", "amplitude_id", "app", "city", "client_event_time",
    "client_upload_time", "country", "data", "data_type", "device_brand", "device_carrier",
    "device_family", "device_id", "device_manufacturer", "device_model", "device_type", "dma",
    "event_id", "event_properties", "event_time", "event_type", "global_user_properties",
    "group_properties", "groups", "idfa", "ip_address", "is_attribution_event", "language",
    "library", "location_lat", "location_lng", "os_name", "os_version", "partner_id", "paying",
    "plan", "platform", "processed_time", "region", "sample_rate", "server_received_time",
    "server_upload_time", "session_id", "source_id", "start_version", "user_creation_time",
    "user_id", "user_properties", "uuid", "version_name",
)  # fmt: skip
"""Every key of a row, in the order Amplitude writes them."""

HOLES = {
    "$insert_id": '"%($insert_id)s"',
    "client_event_time": '"%(event_time)s"',
    "client_upload_time": '"%(client_upload_time)s"',
    "event_id": "%(event_id)d",
    "event_properties": "%(event_properties)s",
    "event_time": '"%(event_time)s"',
    "event_type": "%(event_type)s",
    "processed_time": '"%(processed_time)s"',
    "server_received_time": '"%(server_received_time)s"',
    "server_upload_time": '"%(server_upload_time)s"',
    "session_id": "%(session_id)d",
    "uuid": '"%(uuid)s"',
}
"""Keys whose value changes from event to event, with the text that is filled in."""

PLACES = (
    ("Germany", "Baden-Württemberg", "Tübingen", "German", 48.5216, 9.0576),
    ("Austria", "Niederösterreich", "Sankt Pölten", "German", 48.2047, 15.6256),
    ("France", "Île-de-France", "Paris", "French", 48.8566, 2.3522),
    ("Japan", "Tokyo", "東京", "Japanese", 35.6895, 139.6917),
    ("Brazil", "São Paulo", "São José dos Campos", "Portuguese", -23.1896, -45.8841),
    ("United States", "California", "San Francisco", "English", 37.7749, -122.4194),
    ("Poland", "Małopolskie", "Kraków", "Polish", 50.0647, 19.945),
    ("Greece", None, "Αθήνα", "Greek", 37.9838, 23.7275),
)
DEVICES = (
    ("iOS", "ios", "17.6.1", "Apple", "Apple iPhone", "iPhone 15 Pro", "amplitude-swift/1.9.2"),
    ("iOS", "ios", "18.0", "Apple", "Apple iPad", "iPad Air 5", "amplitude-ios/8.22.1"),
    ("Android", "android", "14", "Samsung", "Samsung Phone", "Galaxy S24", "amplitude-kotlin/1.19.0"),
    ("Web", "Chrome", "128", None, "Windows", "Windows", "amplitude-ts/2.11.1"),
    ("Web", "Safari", "17.5", "Apple", "Mac", "Macintosh", "amplitude-ts/2.11.1"),
    (None, None, None, None, None, None, "http/2.0"),
)
NAMES = ("Jörg Weiß", "Zoë O'Brien", "山田 太郎", "Łucja Żak", "Anaïs Lefèvre", "Ava 🦊", "Νίκος", "João")

ACTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("session_start", {"first": True, "depth": 0}),
    (
        "[Amplitude] Page Viewed",
        {"[Amplitude] Page Path": "/größe/über-uns", "utm": {"source": "news", "medium": None}},
    ),
    ("Produkt angesehen", {"sku": "A-1042", "price": 19.90, "tags": ["neu", "größe: 100%", "🎁"], "left": 2}),
    ("Added to Cart", {"items": [{"sku": "B-7", "qty": 2}, {"sku": "C-19"}], "total": 84.0, "coupon": ""}),
    ("Checkout Completed", {"revenue": 1234.56, "currency": "EUR", "gift": False, "note": 'a "hi" \\o/'}),
    ("検索", {"query": "東京 カフェ", "results": 37, "filters": {"open": True, "near": [35.68, 139.69]}}),
    ("Comment Posted", {"text": "Line one\nline two\tand a tab 👩‍👩‍👧", "length": 41, "reply_to": None}),
    ("Article Read", {"title": "From a PDF:\u2028a raw line separator", "seconds": 73.25, "read": 0.985}),
    ("revenue_amount", {"$revenue": 9.99, "$quantity": 1, "$productId": "pro-monthly", "x": [1, 2.5, -3e-7]}),
)
ACTION_PROPERTIES: dict[str, object] = {
    "app_area": "main/storefront",
    "build": {"number": 40213, "channel": "release", "commit": "5f0c2d9e", "flags": ["new-nav", "dark-mode"]},
    "experiment_assignments": {"checkout-copy": "variant-b", "search-ranking": "control", "anchor": None},
    "page_title": "Startseite: schöne Dinge für zu Hause",
    "referrer": "https://www.example.com/suche?q=t%C3%BCr&page=2",
    "viewport": {"width": 1440, "height": 900, "ratio": 1.5},
}


def one_in(rng: random.Random, number: int) -> bool:
    """Yes once in so many times."""
    return rng.randrange(number) == 0


def compact(value: object) -> str:
    """JSON as Amplitude writes it: no spaces, other alphabets as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def actions() -> tuple[tuple[str, str], ...]:
    """What people do: event type and event properties, both as JSON text."""
    return tuple((compact(name), compact(own | ACTION_PROPERTIES)) for name, own in ACTIONS)


def templates(seed: int, project: int, people: int = 64) -> tuple[str, ...]:
    """One line template for each of `people` persons; the same for the same seed and project."""
    rng = random.Random(f"{seed}/people")
    return tuple(_template(_person(rng, number, project)) for number in range(people))


def _template(person: dict[str, object]) -> str:
    """A person as a `%` template: what is known is written out, the rest are holes or null."""
    values = (
        HOLES[key] if key in HOLES and key not in person else compact(person.get(key)).replace("%", "%%")
        for key in KEYS
    )
    return "{" + ",".join(f'"{key}":{value}' for key, value in zip(KEYS, values, strict=True)) + "}"


def _person(rng: random.Random, number: int, project: int) -> dict[str, object]:
    """The values all events of one person share."""
    country, region, city, language, latitude, longitude = rng.choice(PLACES)
    return {
        "$schema": 13,
        "amplitude_attribution_ids": f"{rng.getrandbits(64):016x}" if one_in(rng, 5) else None,
        # Above 2**53 a reader that turns numbers into floats gives itself away.
        "amplitude_id": rng.randrange(2**53, 2**63),
        "app": project,
        "city": city,
        "country": country,
        "data": {"path": "/2/httpapi", "group_first_event": {}, "user_properties_updated": one_in(rng, 2)},
        "data_type": "event",
        "dma": "San Francisco-Oakland-San Jose, CA" if country == "United States" else None,
        "global_user_properties": {},
        "group_properties": {"org": {"Müller & Söhne": {"plan": "team"}}} if number % 7 == 0 else {},
        "groups": {"org": ["Müller & Söhne", "株式会社サンプル"]} if number % 7 == 0 else {},
        "ip_address": f"203.0.113.{rng.randrange(1, 255)}",
        "is_attribution_event": False,
        "language": language,
        "location_lat": latitude if one_in(rng, 3) else None,
        "location_lng": longitude if one_in(rng, 3) else None,
        "paying": rng.choice(("true", None, None)),
        "plan": {"branch": "main", "source": "web", "version": "7"} if number % 5 == 0 else {},
        "region": region,
        "source_id": None,
        "start_version": rng.choice(("4.0.1", "4.2.0", None)),
        "user_creation_time": f"2024-{rng.randrange(1, 13):02}-28 08:15:30.{rng.randrange(10**6):06}",
        "user_id": f"user-{number:05}@example.com" if number % 3 else None,
        "user_properties": _user_properties(rng, number),
        "version_name": rng.choice(("4.2.0", "4.2.1", None)),
        **_device(rng),
    }


def _device(rng: random.Random) -> dict[str, object]:
    """What a person's events are sent from: a phone, a browser or a server."""
    platform, os_name, os_version, brand, family, model, library = rng.choice(DEVICES)
    device: dict[str, object] = {
        "device_brand": brand,
        "device_carrier": rng.choice(("Telekom.de", "Vodafone", None)),
        "device_family": family,
        "device_id": f"{rng.getrandbits(128):032x}R",
        "device_manufacturer": brand,
        "device_model": model,
        "device_type": family,
        "library": library,
        "os_name": os_name,
        "os_version": os_version,
        "platform": platform,
    }
    # Events sent by a server have no session, and no client that saw them processed.
    return device if platform else device | {"session_id": -1, "processed_time": rng.choice((None, ""))}


def _user_properties(rng: random.Random, number: int) -> dict[str, object]:
    """What a project knows about a person: nested, and personal as in real life."""
    return {
        "name": rng.choice(NAMES),
        "email": f"user-{number:05}@example.com",
        "newsletter": one_in(rng, 2),
        "address": {"street": "Hauptstraße 12½", "zip": "01067", "geo": {"lat": 51.05, "lng": 13.74}},
        "interests": rng.sample(("Bücher", "音楽", "cycling", "☕", "jardinería"), 3),
        "lifetime_value": round(rng.random() * 5000, 2),
        "initial_utm": {"utm_source": "google", "utm_campaign": "herbst_2025", "utm_term": None},
        "orders": [{"id": rng.randrange(10**9), "total": round(rng.random() * 200, 2)} for _ in range(3)],
    }
