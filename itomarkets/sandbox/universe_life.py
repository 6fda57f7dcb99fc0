"""What the synthetic universe asks about weather, science, sport and culture. One entry a risk factor."""

from .templates import Template, each, ladder, pick

# fmt: off
# One question a line reads as a table; wrapped, it would be four times as long.

FACTORS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "daily-temperature": (
        "Weather|Daily temperature",
        (
            ladder("HIGHNY", "Highest temperature in NYC on {when}", "Will the high temperature in New York City be above {x} on {when}?", (55, 3, 5, "{:.0f}°F"), "day", 4),
            ladder("HIGHCHI", "Highest temperature in Chicago on {when}", "Will the high temperature in Chicago be above {x} on {when}?", (50, 3, 5, "{:.0f}°F"), "day", 3),
            ladder("HIGHLON", "Highest temperature in London on {when}", "Will the highest temperature in London be above {x} on {when}?", (12, 1, 5, "{:.0f}°C"), "day", 3),
            ladder("AVGNY", "Average temperature of NYC in {when}", "Will the average temperature in New York City be above {x} in {when}?", (48, 1, 5, "{:.0f}°F"), "month", 3),
            ladder("AVGMIA", "Hottest day in Miami in {when}", "Will the high temperature in Miami rise above {x} on any day of {when}?", (88, 1, 5, "{:.0f}°F"), "month", 3),
            ladder("AVGPHX", "Hottest day in Phoenix in {when}", "Will the high temperature in Phoenix rise above {x} on any day of {when}?", (95, 2, 5, "{:.0f}°F"), "month", 3),
            ladder("HOTNY", "Hottest day in NYC in {when}", "Will the high temperature in New York City rise above {x} on any day of {when}?", (98, 2, 5, "{:.0f}°F"), "year", 3),
            ladder("HOTPHX", "Hottest day in Phoenix in {when}", "Will the high temperature in Phoenix rise above {x} on any day of {when}?", (117, 1, 5, "{:.0f}°F"), "year", 3),
            ladder("HOTLON", "Hottest day in London in {when}", "Will the highest temperature in London rise above {x} on any day of {when}?", (35, 1, 5, "{:.0f}°C"), "year", 3),
            ladder("MEANCHI", "Average temperature of Chicago in {when}", "Will the average temperature in Chicago be above {x} in {when}?", (51, 1, 5, "{:.0f}°F"), "year", 3),
        ),
    ),
    "global-temperature": (
        "Climate|Global temperature",
        (
            ladder("GTEMP", "Global temperature in {when}", "Will the global temperature anomaly (GISTEMP) be above {x} in {when}?", (1.2, 0.05, 6, "{:.2f}°C"), "month", 3),
            pick("HOTRANK", "Where will {when} rank among the hottest years?", "Will {when} be the {name} year on record globally?", "hottest|second-hottest|third-hottest|fourth-hottest or cooler", "year", 4),
            ladder("CO2", "Atmospheric CO2 in {when}", "Will atmospheric carbon dioxide at Mauna Loa be above {x} in {when}?", (428, 1, 4, "{:.0f} ppm"), "quarter", 2),
            ladder("SEAICE", "Arctic sea ice in {when}", "Will Arctic sea ice extent be above {x} square kilometers at its low in {when}?", (4.5, 0.2, 4, "{:.1f} million"), "year", 4),
        ),
    ),
    "hurricanes": (
        "Hurricanes|Weather",
        (
            ladder("NAMEDSTORM", "Named storms in {when}", "Will there be more than {x} named Atlantic tropical storms in {when}?", (14, 1, 6, "{:.0f}"), "year", 3),
            ladder("HURCOUNT", "Atlantic hurricanes in {when}", "Will there be more than {x} Atlantic hurricanes in {when}?", (7, 1, 5, "{:.0f}"), "year", 3),
            each("LANDFALL", "Will a hurricane make landfall in {name} in {when}?", "Florida|Texas|Louisiana|North Carolina|New York|South Carolina", "year", 3),
            each("TYPHOON", "Will a super typhoon strike {name} in {when}?", "the Philippines|Japan|Taiwan|Vietnam", "half", 4),
        ),
    ),
    "rain-snow": (
        "Rain|Snow|Weather",
        (
            ladder("RAINSEA", "Rain in Seattle in {when}", "Will it rain more than {x} in Seattle in {when}?", (4, 1, 5, "{:.0f} inches"), "month", 3),
            ladder("RAINNYC", "Rain in NYC in {when}", "Will it rain more than {x} in New York City in {when}?", (3.5, 0.5, 5, "{:.1f} inches"), "month", 3),
            ladder("SNOWDEN", "Snow in Denver in {when}", "Will it snow more than {x} in Denver in {when}?", (6, 2, 4, "{:.0f} inches"), "month", 3),
            each("WHITEXMAS", "Will it snow in {name} on Christmas Day {when}?", "New York City|Chicago|Boston|Denver|London", "year", 3),
            ladder("RAINYEAR", "Rain in Seattle in {when}", "Will it rain more than {x} in Seattle in {when}?", (38, 3, 5, "{:.0f} inches"), "year", 3),
        ),
    ),
    "natural-disasters": (
        "Earthquakes|Natural disasters",
        (
            ladder("QUAKES", "Magnitude 7 earthquakes in {when}", "Will there be more than {x} earthquakes of magnitude 7.0 or higher in {when}?", (6, 1, 5, "{:.0f}"), "half", 4),
            each("QUAKE", "Will there be a magnitude 7 earthquake in {name} by {until}?", "California|Japan|Turkey|Chile|Indonesia", "half", 4),
            each("VOLCANO", "Will {name} erupt by {until}?", "Mount Fuji|Campi Flegrei|Mount Rainier|Kīlauea again|Mount Spurr", "half", 4),
            ladder("TORNADO", "US tornadoes in {when}", "Will there be more than {x} tornadoes in the United States in {when}?", (100, 25, 4, "{:.0f}"), "month", 2),
            ladder("WILDFIRE", "US wildfire acres in {when}", "Will wildfires burn more than {x} acres in the United States in {when}?", (6, 1, 4, "{:.0f} million"), "year", 3),
        ),
    ),
    "disease-outbreaks": (
        "Health|Outbreaks|Pandemics",
        (
            ladder("MEASLES", "US measles cases in {when}", "Will there be more than {x} measles cases in the US in {when}?", (2000, 250, 6, "{:,.0f}"), "year", 3),
            each("OUTBREAK", "Will {name} by {until}?", "bird flu (H5N1) spread between humans|the WHO declare a new pandemic|Ebola cases be reported outside Africa|the US lose its measles elimination status|a new COVID variant of concern be named|mpox be declared an emergency again", "quarter", 3),
            ladder("FLU", "Flu hospitalizations in {when}", "Will US flu hospitalizations be above {x} in {when}?", (20000, 5000, 4, "{:,.0f}"), "month", 2),
        ),
    ),
    "drugs-health-policy": (
        "Health|FDA|Drugs",
        (
            each("FDAOK", "Will the FDA approve {name} by {until}?", "Eli Lilly's orforglipron pill|an MDMA therapy|a psilocybin therapy|a new Alzheimer's drug|retatrutide|a menthol vape|an mRNA flu vaccine", "half", 4),
            each("HEALTHPOL", "Will {name} by {until}?", "the CDC change the childhood vaccine schedule|Medicare cover weight loss drugs|marijuana be rescheduled|the FDA ban a food dye nationwide|the Affordable Care Act subsidies be extended", "half", 4),
            ladder("NEWDRUGS", "FDA new drug approvals in {when}", "Will the FDA approve more than {x} novel drugs in {when}?", (48, 3, 5, "{:.0f}"), "year", 3),
        ),
    ),
    "spaceflight": (
        "Space|SpaceX|NASA",
        (
            ladder("SPXLAUNCH", "SpaceX launches in {when}", "Will SpaceX launch more than {x} rockets in {when}?", (13, 1, 6, "{:.0f}"), "month", 3),
            each("SPACE", "Will {name} by {until}?", "SpaceX's Starship reach orbit and be recovered|NASA launch Artemis III|Blue Origin land on the Moon|Starship refuel in orbit|Boeing's Starliner fly a crew|China land astronauts on the Moon|Rocket Lab launch Neutron", "half", 4),
            ladder("STARSHIP", "Starship launches in {when}", "Will SpaceX launch Starship more than {x} times in {when}?", (8, 2, 5, "{:.0f}"), "year", 3),
        ),
    ),
    "science-discovery": (
        "Science|Discovery|Nobel",
        (
            pick("NOBELPHYS", "Field of the Nobel Prize in Physics {when}", "Will the Nobel Prize in Physics {when} go to work on {name}?", "quantum information|astrophysics|condensed matter|optics|particle physics", "year", 3),
            pick("NOBELMED", "Field of the Nobel Prize in Medicine {when}", "Will the Nobel Prize in Medicine {when} go to work on {name}?", "GLP-1 drugs|immunology|gene therapy|neuroscience|the microbiome", "year", 3),
            each("DISCOVER", "Will scientists {name} by {until}?", "confirm signs of alien life|prove the Riemann hypothesis|confirm room-temperature superconductivity|demonstrate net-gain commercial nuclear fusion|announce detection of dark matter|factor a 2048-bit number with a quantum computer|bring back a living woolly mammoth", "half", 4),
        ),
    ),
    "american-football": (
        "NFL|Football|Sports",
        (
            pick("SB", "Super Bowl champion of the {when} season", "Will the {name} win the Super Bowl in the {when} season?", "Kansas City Chiefs|Philadelphia Eagles|Buffalo Bills|Los Angeles Rams|Detroit Lions|Baltimore Ravens|Seattle Seahawks|New England Patriots", "year", 3),
            pick("NFLMVP", "NFL MVP of the {when} season", "Will {name} win the NFL MVP award in the {when} season?", "Josh Allen|Patrick Mahomes|Lamar Jackson|Drake Maye|Matthew Stafford", "year", 3),
            each("NFLPLAYOFF", "Will the {name} make the NFL playoffs in the {when} season?", "Dallas Cowboys|Green Bay Packers|Chicago Bears|New York Giants|Denver Broncos", "year", 3),
        ),
    ),
    "basketball": (
        "NBA|Basketball|Sports",
        (
            pick("NBA", "NBA champion {when}", "Will the {name} win the {when} NBA Finals?", "Oklahoma City Thunder|Denver Nuggets|Houston Rockets|Cleveland Cavaliers|New York Knicks|San Antonio Spurs|Boston Celtics", "year", 3),
            each("NBAWINS", "Will the {name} win more than half of their NBA games in {when}?", "Los Angeles Lakers|Golden State Warriors|Miami Heat|Chicago Bulls|Dallas Mavericks|Philadelphia 76ers", "quarter", 3),
            pick("NBAMVP", "NBA MVP {when}", "Will {name} win the {when} NBA MVP award?", "Nikola Jokić|Shai Gilgeous-Alexander|Luka Dončić|Victor Wembanyama|Giannis Antetokounmpo", "year", 3),
        ),
    ),
    "baseball": (
        "MLB|Baseball|Sports",
        (
            pick("MLB", "World Series champion {when}", "Will the {name} win the {when} World Series?", "Los Angeles Dodgers|New York Yankees|Toronto Blue Jays|Philadelphia Phillies|Seattle Mariners|Milwaukee Brewers|New York Mets", "year", 3),
            ladder("MLBWINS", "Most wins in MLB in {when}", "Will the best MLB team win more than {x} games in {when}?", (99, 2, 4, "{:.0f}"), "year", 3),
            each("MLBDIV", "Will the {name} win their MLB division in {when}?", "Chicago Cubs|Houston Astros|Atlanta Braves|San Diego Padres|Boston Red Sox|Detroit Tigers", "year", 3),
        ),
    ),
    "ice-hockey": (
        "NHL|Hockey|Sports",
        (
            pick("NHL", "Stanley Cup champion {when}", "Will the {name} win the {when} Stanley Cup?", "Colorado Avalanche|Florida Panthers|Edmonton Oilers|Carolina Hurricanes|Tampa Bay Lightning|Vegas Golden Knights|Dallas Stars", "year", 3),
            each("NHLPTS", "Will the {name} win more than half of their NHL games in {when}?", "Toronto Maple Leafs|New York Rangers|Boston Bruins|Montreal Canadiens|Winnipeg Jets|Washington Capitals", "quarter", 3),
            pick("HART", "Hart Trophy winner {when}", "Will {name} win the NHL's Hart Trophy in {when}?", "Nathan MacKinnon|Connor McDavid|Leon Draisaitl|Kirill Kaprizov", "year", 3),
        ),
    ),
    "soccer": (
        "Soccer|Premier League|Sports",
        (
            pick("EPL", "Premier League winner {when}", "Will {name} win the English Premier League in {when}?", "Arsenal|Manchester City|Liverpool|Chelsea|Manchester United|Tottenham", "year", 3),
            pick("UCL", "Champions League winner {when}", "Will {name} win the UEFA Champions League in {when}?", "Bayern Munich|Arsenal|Paris Saint-Germain|Real Madrid|Barcelona|Manchester City", "year", 3),
            pick("WORLDCUP", "FIFA World Cup winner {when}", "Will {name} win the {when} FIFA World Cup?", "Spain|France|England|Brazil|Argentina|Germany|Portugal", "2026", 1),
            each("MANAGER", "Will the manager of {name} be sacked by {until}?", "Manchester United|Tottenham|West Ham|Real Madrid|Juventus", "quarter", 3),
        ),
    ),
    "tennis-golf": (
        "Tennis|Golf|Sports",
        (
            pick("WIMBM", "Men's Wimbledon champion {when}", "Will {name} win the {when} Men's Wimbledon tennis title?", "Carlos Alcaraz|Jannik Sinner|Novak Djokovic|Jack Draper|Taylor Fritz", "year", 3),
            pick("MASTERS", "Masters champion {when}", "Will {name} win the {when} Masters golf tournament?", "Scottie Scheffler|Rory McIlroy|Bryson DeChambeau|Jon Rahm|Ludvig Åberg|Xander Schauffele", "year", 3),
            pick("USOPENW", "Women's US Open tennis champion {when}", "Will {name} win the {when} Women's US Open tennis title?", "Aryna Sabalenka|Iga Świątek|Coco Gauff|Elena Rybakina", "year", 3),
            each("TENNISONE", "Will {name} be ranked number one in tennis at the end of {when}?", "Jannik Sinner|Carlos Alcaraz|Aryna Sabalenka|Iga Świątek", "quarter", 2),
        ),
    ),
    "combat-sports": (
        "UFC|Boxing|Sports",
        (
            each("UFCCHAMP", "Will {name} hold a UFC title at the end of {when}?", "Islam Makhachev|Ilia Topuria|Khamzat Chimaev|Tom Aspinall|Alex Pereira|Merab Dvalishvili", "quarter", 3),
            each("BOXING", "Will {name} fight a boxing match by {until}?", "Canelo Álvarez|Tyson Fury|Anthony Joshua|Jake Paul|Floyd Mayweather|Oleksandr Usyk", "quarter", 3),
            ladder("UFCFIN", "UFC finishes in {when}", "Will more than {x} UFC fights end by knockout or submission in {when}?", (22, 2, 4, "{:.0f}"), "month", 2),
        ),
    ),
    "motorsport-cycling": (
        "Formula 1|F1|Cycling|Sports",
        (
            pick("F1CHAMP", "F1 drivers' champion {when}", "Will {name} be the {when} Formula 1 drivers' champion?", "Max Verstappen|Lando Norris|Oscar Piastri|George Russell|Charles Leclerc|Lewis Hamilton", "year", 3),
            pick("TDF", "Tour de France winner {when}", "Will {name} win the {when} Tour de France?", "Tadej Pogačar|Jonas Vingegaard|Remco Evenepoel|Isaac del Toro|Florian Lipowitz", "year", 3),
            pick("F1TEAM", "F1 constructors' champion {when}", "Will {name} win the {when} Formula 1 constructors' championship?", "McLaren|Ferrari|Mercedes|Red Bull", "year", 3),
            each("NASCAR", "Will {name} win a NASCAR Cup race in {when}?", "Kyle Larson|Denny Hamlin|Chase Elliott|Ryan Blaney", "half", 4),
        ),
    ),
    "other-sports": (
        "Cricket|Chess|Olympics|Sports",
        (
            pick("CHESS", "World chess champion at the end of {when}", "Will {name} be world chess champion at the end of {when}?", "Gukesh Dommaraju|Fabiano Caruana|Hikaru Nakamura|Praggnanandhaa|Alireza Firouzja", "year", 3),
            pick("T20", "Cricket world champion {when}", "Will {name} win the next cricket world title in {when}?", "India|Australia|England|South Africa|New Zealand", "year", 3),
            each("OLYMPIC", "Will {name} win the most gold medals at the next Olympic Games before {until}?", "Norway|the United States|Germany|China|Japan", "2028", 1),
            pick("RUGBY", "Six Nations rugby winner {when}", "Will {name} win the {when} Six Nations rugby championship?", "Ireland|France|England|Scotland", "year", 3),
        ),
    ),
    "esports": (
        "Esports|Video games|Counter-Strike|League of Legends",
        (
            pick("LOLWORLDS", "League of Legends World Championship {when}", "Will {name} win the {when} League of Legends World Championship?", "T1|Gen.G|Hanwha Life|Bilibili Gaming|G2 Esports", "year", 3),
            pick("CSMAJOR", "Counter-Strike 2 Major winner in {when}", "Will {name} win a Counter-Strike 2 Major in {when}?", "Vitality|Spirit|FURIA|Falcons|MOUZ", "half", 4),
            each("GAMEREL", "Will the video game {name} be released by {until}?", "Grand Theft Auto VI|Half-Life 3|The Elder Scrolls VI|Marvel's Wolverine|Fable", "half", 4),
            pick("VALCHAMP", "VALORANT Champions winner {when}", "Will {name} win {when} VALORANT Champions?", "Paper Rex|Fnatic|NRG|Sentinels", "year", 3),
        ),
    ),
    "film-tv": (
        "Movies|Television|Culture",
        (
            ladder("RTSCORE", "Rotten Tomatoes score of the biggest film of {when}", "Will the top grossing film of {when} score above {x} on Rotten Tomatoes?", (80, 5, 5, "{:.0f}"), "month", 3),
            pick("BOXOFFICE", "Highest grossing movie in {when}", "Will {name} be the highest grossing movie in {when}?", "Avengers: Doomsday|The Super Mario Galaxy Movie|Toy Story 5|The Mandalorian and Grogu|The Odyssey", "year", 3),
            pick("NETFLIXTOP", "Top Netflix show in {when}", "Will {name} be the most watched show on Netflix in {when}?", "Stranger Things|Wednesday|Bridgerton|Squid Game|One Piece", "month", 2),
            ladder("OPENING", "Biggest opening weekend of {when}", "Will the biggest movie opening weekend of {when} gross more than {x} in the US?", (120, 20, 4, "${:.0f} million"), "quarter", 2),
            each("FILMBN", "Will the movie {name} gross more than $1 billion worldwide by {until}?", "Avengers: Doomsday|Toy Story 5|The Odyssey|Shrek 5|The Batman Part II", "year", 3),
            ladder("BOXYEAR", "US box office in {when}", "Will the US movie box office gross more than {x} in {when}?", (9.0, 0.4, 5, "${:.1f} billion"), "year", 3),
        ),
    ),
    "music": (
        "Music|Spotify|Billboard|Culture",
        (
            pick("HOT100", "Billboard Hot 100 number one at the end of {when}", "Will {name} have the number one song on the Billboard Hot 100 at the end of {when}?", "Taylor Swift|Drake|Sabrina Carpenter|Bad Bunny|Olivia Dean|Alex Warren", "month", 3),
            pick("SPOTIFYTOP", "Top Spotify artist in {when}", "Will {name} be the most streamed artist on Spotify in {when}?", "Bad Bunny|Taylor Swift|The Weeknd|Drake|Billie Eilish", "year", 3),
            each("ALBUM", "Will {name} release a new album by {until}?", "Rihanna|Drake|Kanye West|Adele|Frank Ocean|Lana Del Rey|Harry Styles", "quarter", 2),
        ),
    ),
    "awards": (
        "Oscars|Awards|Culture",
        (
            pick("OSCARPIC", "Best Picture at the {when} Oscars", "Will {name} win Best Picture at the {when} Academy Awards?", "One Battle After Another|Hamnet|Sinners|Marty Supreme|Sentimental Value", "year", 3),
            pick("GRAMMYAOTY", "Album of the Year at the {when} Grammys", "Will {name} win Album of the Year at the {when} Grammy Awards?", "Bad Bunny|Kendrick Lamar|Lady Gaga|Sabrina Carpenter", "year", 3),
            pick("EUROVISION", "Eurovision winner {when}", "Will {name} win the {when} Eurovision Song Contest?", "Sweden|Finland|Ukraine|Italy|France|Israel", "year", 3),
            pick("EMMYDRAMA", "Best drama at the {when} Emmys", "Will {name} win Outstanding Drama Series at the {when} Emmy Awards?", "The Pitt|Severance|Andor|The White Lotus", "year", 3),
        ),
    ),
    "celebrities-internet": (
        "Celebrities|YouTube|Culture",
        (
            each("CELEB", "Will {name} by {until}?", "Taylor Swift and Travis Kelce get married|Taylor Swift announce a pregnancy|Kim Kardashian pass the bar exam|Timothée Chalamet and Kylie Jenner get engaged|Britney Spears publish another memoir|Kanye West apologize on Instagram", "half", 4),
            ladder("MRBEAST", "MrBeast subscribers at the end of {when}", "Will MrBeast have more than {x} YouTube subscribers at the end of {when}?", (470, 10, 5, "{:.0f} million"), "quarter", 3),
            pick("POTY", "Time Person of the Year {when}", "Will {name} be Time's Person of the Year for {when}?", "Taylor Swift|Elon Musk|Sam Altman|Pope Leo XIV|AI itself", "year", 3),
        ),
    ),
}
