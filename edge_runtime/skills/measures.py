"""The units that people name, what they measure, and what they are called in the library that knows their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Measure:
    """One unit: `kind` is what it measures, `size` its name in pint (of years, the months in it).

    `one` and `many` are what people say.
    """

    kind: str
    size: str
    one: str
    many: str


_TABLE: Mapping[str, str] = {
    "length": """
        meter|metre|metres|meter,meters,m
        kilometer|kilometre|kilometres|kilometer,kilometers,km,kms,k m
        centimeter|centimetre|centimetres|centimeter,centimeters,cm,cms
        millimeter|millimetre|millimetres|millimeter,millimeters,mm
        micrometer|micrometre|micrometres|micrometer,micrometers,micron,microns
        mile|mile|miles|mi
        yard|yard|yards|yd,yds
        foot|foot|feet|ft
        inch|inch|inches|in
        nautical_mile|nautical mile|nautical miles|
        light_year|light year|light years|lightyear,lightyears
        furlong|furlong|furlongs|
        fathom|fathom|fathoms|
    """,
    "mass": """
        gram|gram|grams|g,gramme,grammes,gr
        kilogram|kilogram|kilograms|kg,kgs,kilo,kilos
        milligram|milligram|milligrams|mg
        tonne|tonne|tonnes|metric ton,metric tons
        short_ton|US ton|US tons|ton,tons,us ton,us tons,short ton,short tons
        pound|pound|pounds|lb,lbs
        ounce|ounce|ounces|oz
        stone|stone|stone|stones
        carat|carat|carats|
    """,
    "volume": """
        liter|litre|litres|liter,liters,l
        milliliter|millilitre|millilitres|milliliter,milliliters,ml
        centiliter|centilitre|centilitres|centiliter,centiliters,cl
        deciliter|decilitre|decilitres|deciliter,deciliters,dl
        gallon|US gallon|US gallons|gallon,gallons,gal,us gallon,us gallons
        imperial_gallon|imperial gallon|imperial gallons|uk gallon,uk gallons,british gallon,british gallons
        quart|US quart|US quarts|quart,quarts
        pint|US pint|US pints|pint,pints
        imperial_pint|imperial pint|imperial pints|uk pint,uk pints,british pint,british pints
        cup|US cup|US cups|cup,cups
        fluid_ounce|US fluid ounce|US fluid ounces|fluid ounce,fluid ounces,fl oz
        tablespoon|US tablespoon|US tablespoons|tablespoon,tablespoons,tbsp
        teaspoon|US teaspoon|US teaspoons|teaspoon,teaspoons,tsp
        meter**3|cubic metre|cubic metres|cubic meter,cubic meters,m3,m^3
        centimeter**3|cubic centimetre|cubic centimetres|cubic centimeter,cubic centimeters,cc,cm3
        foot**3|cubic foot|cubic feet|
        inch**3|cubic inch|cubic inches|
    """,
    "area": """
        meter**2|square metre|square metres|square meter,square meters,m2,m^2,sqm,sq m
        kilometer**2|square kilometre|square kilometres|square kilometer,square kilometers,km2,sq km
        centimeter**2|square centimetre|square centimetres|square centimeter,square centimeters,cm2
        foot**2|square foot|square feet|sq ft,ft2
        inch**2|square inch|square inches|sq in
        yard**2|square yard|square yards|
        mile**2|square mile|square miles|sq mi
        acre|acre|acres|
        hectare|hectare|hectares|ha
    """,
    "time": """
        second|second|seconds|sec,secs,s
        millisecond|millisecond|milliseconds|ms
        minute|minute|minutes|min,mins
        hour|hour|hours|hr,hrs,h
        day|day|days|
        week|week|weeks|
        fortnight|fortnight|fortnights|
    """,
    "years": """
        1|month|months|
        12|year|years|
        120|decade|decades|
        1200|century|centuries|
    """,
    "temperature": """
        degC|degree Celsius|degrees Celsius|celsius,centigrade,c,degree c,degrees c,degree celsius,degrees centigrade
        degF|degree Fahrenheit|degrees Fahrenheit|fahrenheit,f,degree f,degrees f,farenheit,degrees farenheit
        kelvin|kelvin|kelvin|kelvins,degrees kelvin,k
    """,
    "speed": """
        kilometer/hour|kilometre an hour|kilometres an hour|km/h,kmh,kph,kilometers per hour,kilometres per hour
        mile/hour|mile an hour|miles an hour|mph,miles per hour,mile per hour
        meter/second|metre a second|metres a second|m/s,meters per second,metres per second
        foot/second|foot a second|feet a second|ft/s,feet per second
        knot|knot|knots|
    """,
    "data": """
        bit|bit|bits|
        byte|byte|bytes|
        kilobyte|kilobyte|kilobytes|kb
        megabyte|megabyte|megabytes|mb
        gigabyte|gigabyte|gigabytes|gb
        terabyte|terabyte|terabytes|tb
        kibibyte|kibibyte|kibibytes|kib
        mebibyte|mebibyte|mebibytes|mib
        gibibyte|gibibyte|gibibytes|gib
    """,
    "energy": """
        joule|joule|joules|
        kilojoule|kilojoule|kilojoules|kj
        kilocalorie|kilocalorie|kilocalories|kcal,calorie,calories,cal,food calorie,food calories
        watt*hour|watt hour|watt hours|wh
        kilowatt*hour|kilowatt hour|kilowatt hours|kwh
    """,
    "power": """
        watt|watt|watts|w
        kilowatt|kilowatt|kilowatts|kw
        megawatt|megawatt|megawatts|mw
        horsepower|horsepower|horsepower|hp
    """,
    "pressure": """
        pascal|pascal|pascals|pa
        hectopascal|hectopascal|hectopascals|hpa,millibar,millibars,mbar
        kilopascal|kilopascal|kilopascals|kpa
        bar|bar|bar|bars
        psi|pound per square inch|pounds per square inch|psi
        standard_atmosphere|atmosphere|atmospheres|atm
    """,
    "angle": """
        degree|degree|degrees|
        radian|radian|radians|rad
    """,
}


def _measures() -> dict[str, Measure]:
    known: dict[str, Measure] = {}
    for kind, rows in _TABLE.items():
        for row in rows.split("\n"):
            if row.strip():
                size, one, many, others = row.strip().split("|")
                measure = Measure(kind, size, one, many)
                names = [one.lower(), many.lower(), *filter(None, others.split(","))]
                known.update(dict.fromkeys(names, measure))
    return known


MEASURES = _measures()
"""Every name of a unit, in lower case."""
FLUID = {"ounce": MEASURES["fluid ounce"]}
"""What a unit of mass means beside one of volume."""
TWO_SIZED = frozenset({"data"})
"""Where the same word has two sizes: a kilobyte is 1,000 bytes by the standard, 1,024 to many."""
