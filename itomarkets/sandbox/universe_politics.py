"""What the synthetic universe asks about governments and wars. One entry a risk factor."""

from .templates import Template, each, ladder, pick

# fmt: off
# One question a line reads as a table; wrapped, it would be four times as long.

FACTORS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "us-presidential-election": (
        "Elections|US Presidential Election|Politics",
        (
            pick("PRESPERSON", "Who will win the {when} US presidential election?", "Will {name} win the {when} US presidential election?", "JD Vance|Gavin Newsom|Marco Rubio|Alexandria Ocasio-Cortez|Pete Buttigieg|Josh Shapiro|Donald Trump Jr.", "2028", 1),
            pick("PRESPARTY", "Which party will win the {when} US presidential election?", "Will the {name} win the {when} US presidential election?", "Democratic Party|Republican Party|an independent", "2028", 1),
            each("PRESSTATE", "Will the Republican nominee win {name} in the {when} US presidential election?", "Pennsylvania|Georgia|Arizona|Michigan|Wisconsin|Nevada|North Carolina|New Hampshire|Virginia|Texas", "2028", 1),
            pick("NOMD", "{when} Democratic presidential nominee", "Will {name} be the {when} Democratic presidential nominee?", "Gavin Newsom|Alexandria Ocasio-Cortez|Pete Buttigieg|Josh Shapiro|Kamala Harris|Gretchen Whitmer", "2028", 1),
            pick("NOMR", "{when} Republican presidential nominee", "Will {name} be the {when} Republican presidential nominee?", "JD Vance|Marco Rubio|Donald Trump Jr.|Ron DeSantis|Tucker Carlson", "2028", 1),
        ),
    ),
    "us-senate-control": (
        "Elections|Senate|Politics",
        (
            each("SENATESTATE", "Will the Republican candidate win the {when} US Senate race in {name}?", "Ohio|Maine|North Carolina|Texas|Iowa|Georgia|Michigan|Florida|Alaska|Nebraska|New Hampshire|Minnesota", "2026", 1),
            ladder("SENATESEATS", "Republican Senate seats after the {when} election", "Will Republicans hold more than {x} Senate seats after the {when} election?", (50, 1, 6, "{:.0f}"), "2028", 1),
            each("SENATE28", "Will the Democratic candidate win the {when} Senate race in {name}?", "Pennsylvania|Wisconsin|Arizona|Nevada|Georgia|North Carolina|Colorado|Florida", "2028", 1),
            pick("SENATECTRL", "Which party will control the Senate after {when}?", "Will the {name} control the US Senate after the {when} election?", "Democratic Party|Republican Party", "2028", 1),
        ),
    ),
    "us-house-control": (
        "Elections|House|Politics",
        (
            ladder("HOUSESEATS", "Republican House seats after the {when} election", "Will Republicans win more than {x} House seats in the {when} election?", (212, 4, 7, "{:.0f}"), "2028", 1),
            each("HOUSEDIST", "Will the Republican candidate win the {when} House race in {name}?", "CA-22|NY-17|PA-07|NE-02|AZ-06|VA-02|MI-07|CO-08|NJ-07|WI-03|ME-02|WA-03", "2028", 1),
            pick("HOUSECTRL", "Which party will control the House after {when}?", "Will the {name} control the US House of Representatives after the {when} election?", "Democratic Party|Republican Party", "2028", 1),
            each("HOUSESPECIAL", "Will Republicans win the House special election in {name} in {when}?", "Tennessee's 7th district|New Jersey's 11th district|Texas's 18th district|Georgia's 14th district", "half", 4),
        ),
    ),
    "us-state-local-elections": (
        "Elections|Governors|Mayors",
        (
            each("GOVRACE", "Will the Republican candidate be elected governor of {name} in {when}?", "Virginia|New Jersey|Georgia|Arizona|Wisconsin|Michigan|Nevada|Kansas|New York|Ohio", "year", 3),
            pick("MAYORNYC", "Mayor of New York City at the end of {when}", "Will {name} be mayor of New York City at the end of {when}?", "Zohran Mamdani|Andrew Cuomo|somebody else", "year", 3),
            pick("MAYORLA", "Los Angeles mayoral election in {when}", "Will {name} win the Los Angeles mayoral election in {when}?", "Karen Bass|Rick Caruso|Nithya Raman|somebody else", "year", 3),
            each("BALLOT", "Will voters in {name} approve the state ballot measure on redistricting in {when}?", "California|Virginia|Missouri|Ohio|Florida", "year", 3),
        ),
    ),
    "us-approval-polls": (
        "Trump approval|Polls|Politics",
        (
            ladder("APPROVE", "Trump approval rating at the end of {when}", "Will Donald Trump's approval rating be above {x} at the end of {when}?", (42, 1, 7, "{:.0f}%"), "month", 3),
            ladder("GENERIC", "Generic ballot at the end of {when}", "Will Democrats lead the generic congressional ballot polls by more than {x} at the end of {when}?", (4, 1, 5, "{:.0f} points"), "month", 3),
            each("FAVOR", "Will the favorability rating of {name} rise in {when} polls?", "JD Vance|Gavin Newsom|Kamala Harris|Robert F. Kennedy Jr.|Marco Rubio", "quarter", 2),
            each("FAVOREND", "Will the favorability rating of {name} be positive at the end of {when}?", "JD Vance|Gavin Newsom|Marco Rubio|Pete Buttigieg|Bernie Sanders", "year", 3),
            ladder("APPROVEHI", "High of Trump's approval rating in {when}", "Will Donald Trump's approval rating rise above {x} in {when}?", (45, 2, 5, "{:.0f}%"), "year", 3),
        ),
    ),
    "us-legislation": (
        "Congress|Bills|Politics",
        (
            each("BILLLAW", "Will the {name} become law by {until}?", "SAVE Act|permitting reform bill|Kids Online Safety Act|ban on congressional stock trading|farm bill|NDAA|housing affordability bill|health insurance subsidy extension", "quarter", 3),
            ladder("BILLCOUNT", "Bills signed into law in {when}", "Will more than {x} bills be signed into law by the President in {when}?", (30, 5, 4, "{:.0f}"), "half", 4),
            each("FILIBUSTER", "Will the Senate {name} by {until}?", "abolish the filibuster|vote to end the tariff emergency|pass a second reconciliation bill", "half", 4),
        ),
    ),
    "us-executive-action": (
        "Executive orders|Trump|Politics",
        (
            ladder("EOCOUNT", "Executive orders signed in {when}", "Will Trump sign more than {x} executive orders in {when}?", (12, 3, 6, "{:.0f}"), "month", 3),
            each("PARDON", "Will Trump pardon {name} by {until}?", "Ghislaine Maxwell|Sam Bankman-Fried|Derek Chauvin|Roger Ver|Sean Combs|Bob Menendez", "quarter", 3),
            each("EXECACT", "Will Trump {name} by {until}?", "invoke the Insurrection Act|declare a national emergency over housing|declassify UFO files|send the National Guard to New York", "quarter", 2),
        ),
    ),
    "us-appointments": (
        "Cabinet|Trump administration|Politics",
        (
            each("CABOUT", "Will {name} leave the Trump cabinet by {until}?", "Pete Hegseth|Kash Patel|Pam Bondi|Kristi Noem|Robert F. Kennedy Jr.|Howard Lutnick|Tulsi Gabbard|Scott Bessent", "quarter", 3),
            pick("FIRSTOUT", "First to leave the cabinet in {when}", "Will {name} be the first to leave the cabinet in {when}?", "Pete Hegseth|Pam Bondi|Kristi Noem|Lori Chavez-DeRemer|nobody", "quarter", 2),
            each("CONFIRM", "Will the Senate confirm the nominee for {name} by {until}?", "Surgeon General|Secretary of Labor|ambassador to Germany|FAA administrator", "half", 4),
        ),
    ),
    "us-courts": (
        "Supreme Court|Courts|Politics",
        (
            each("SCOTUSRULE", "Will the Supreme Court rule {name} by {until}?", "for Trump on birthright citizenship|against the tariffs under emergency powers|to narrow the Voting Rights Act|for transgender athletes|to overturn Humphrey's Executor|to hear a gun rights case", "half", 4),
            each("SCOTUSOUT", "Will Supreme Court Justice {name} retire by {until}?", "Samuel Alito|Clarence Thomas|Sonia Sotomayor|John Roberts", "half", 4),
            ladder("JUDGES", "Federal judges confirmed in {when}", "Will the Senate confirm more than {x} federal judges in {when}?", (15, 3, 4, "{:.0f}"), "quarter", 2),
        ),
    ),
    "us-immigration": (
        "Immigration|Deportation|ICE",
        (
            ladder("DEPORT", "Deportations in {when}", "Will ICE deport more than {x} people in {when}?", (400000, 50000, 6, "{:,.0f}"), "year", 3),
            ladder("BORDER", "Border encounters in {when}", "Will US Border Patrol southwest border encounters be above {x} in {when}?", (8000, 1000, 5, "{:,.0f}"), "month", 3),
            each("IMMIG", "Will the US {name} by {until}?", "suspend the H-1B visa lottery|end Temporary Protected Status for Haiti|open a migrant detention camp in Texas|expand the travel ban to more countries|issue the first Trump gold card visa", "half", 4),
        ),
    ),
    "us-investigations": (
        "Indictments|Impeachment|Politics",
        (
            each("INDICT", "Will {name} be indicted by {until}?", "John Bolton|Letitia James|Adam Schiff|James Comey|John Brennan|Anthony Fauci", "quarter", 3),
            each("IMPEACH", "Will {name} be impeached by {until}?", "Donald Trump|Pete Hegseth|Pam Bondi|a federal judge", "half", 4),
            each("EPSTEIN", "Will {name} by {until}?", "the Justice Department charge anybody over the Epstein files|Ghislaine Maxwell testify before Congress|Hunter Biden be subpoenaed", "half", 4),
        ),
    ),
    "political-speech": (
        "Mentions|Trump|Speeches",
        (
            each("TRUMPSAY", "Will Trump say \"{name}\" in his weekly address in {when}?", "tariff|bitcoin|Venezuela|Sleepy Joe|affordability|Greenland|rigged", "month", 3),
            ladder("TRUTHPOSTS", "Trump Truth Social posts in {when}", "Will Donald Trump post more than {x} times on Truth Social in {when}?", (500, 40, 6, "{:.0f}"), "month", 3),
            each("POWELLSAY", "Will the press secretary say \"{name}\" at a briefing in {when}?", "deal|hoax|China|shutdown|golden age", "month", 2),
            each("SOTUSAY", "Will Trump say \"{name}\" in his address to Congress in {when}?", "tariff|bitcoin|Venezuela|Greenland|affordability", "year", 3),
            ladder("TRUTHYEAR", "Trump Truth Social posts in {when}", "Will Donald Trump post more than {x} times on Truth Social in {when}?", (6000, 500, 5, "{:,.0f}"), "year", 3),
        ),
    ),
    "europe-elections": (
        "Europe|World elections|Politics",
        (
            each("EUROOUT", "Will {name} be out of office by {until}?", "Emmanuel Macron|Friedrich Merz|Pedro Sánchez|Viktor Orbán|Giorgia Meloni|Donald Tusk|Robert Fico", "half", 4),
            pick("FRPRES", "{when} French presidential election", "Will {name} win the {when} French presidential election?", "Jordan Bardella|Édouard Philippe|Jean-Luc Mélenchon|Gabriel Attal|Raphaël Glucksmann", "2027", 1),
            each("EUROPARTY", "Will {name} win the most seats at the next national election before {until}?", "AfD in Germany|Fidesz in Hungary|the Sweden Democrats|PVV in the Netherlands|Vox in Spain", "year", 3),
        ),
    ),
    "uk-politics": (
        "UK|Politics|Keir Starmer",
        (
            each("UKOUT", "Will {name} by {until}?", "Keir Starmer cease to be UK Prime Minister|Rachel Reeves leave as Chancellor|Kemi Badenoch be replaced as Conservative leader|a UK general election be called|Angela Rayner return to the UK cabinet", "quarter", 3),
            pick("UKPM", "Next UK Prime Minister in {when}", "Will {name} be UK Prime Minister at the end of {when}?", "Keir Starmer|Wes Streeting|Andy Burnham|Nigel Farage|Shabana Mahmood", "year", 3),
            ladder("REFORMPOLL", "Reform UK poll share at the end of {when}", "Will Reform UK poll above {x} in the UK at the end of {when}?", (29, 1, 5, "{:.0f}%"), "quarter", 3),
        ),
    ),
    "latin-america-politics": (
        "Latin America|World elections|Politics",
        (
            pick("BRPRES", "{when} Brazilian presidential election", "Will {name} win the {when} Brazilian presidential election?", "Lula da Silva|Flávio Bolsonaro|Tarcísio de Freitas|Ratinho Júnior", "2026", 1),
            each("LATAMOUT", "Will {name} be out as president by {until}?", "Javier Milei of Argentina|Gustavo Petro of Colombia|Claudia Sheinbaum of Mexico|Gabriel Boric's successor in Chile|Daniel Noboa of Ecuador|José Jerí of Peru", "half", 4),
            each("LATAMVOTE", "Will the governing party win the next national election in {name} by {until}?", "Colombia|Peru|Costa Rica|Honduras|Chile|Bolivia", "year", 3),
        ),
    ),
    "asia-pacific-politics": (
        "Asia|World elections|Politics",
        (
            each("ASIAOUT", "Will {name} leave office by {until}?", "Sanae Takaichi as Prime Minister of Japan|Narendra Modi as Prime Minister of India|Lee Jae-myung as President of South Korea|Anthony Albanese as Prime Minister of Australia|Xi Jinping as leader of China|Anutin Charnvirakul as Prime Minister of Thailand", "half", 4),
            pick("JPPARTY", "Japanese election in {when}", "Will the {name} win the most seats in a Japanese election in {when}?", "Liberal Democratic Party|Constitutional Democratic Party|Democratic Party for the People|Ishin", "year", 3),
            each("ASIAVOTE", "Will there be a snap election in {name} by {until}?", "Japan|Thailand|Pakistan|Malaysia|Nepal", "half", 4),
        ),
    ),
    "canada-politics": (
        "Canada|World elections|Politics",
        (
            each("CANOUT", "Will {name} by {until}?", "Mark Carney cease to be Prime Minister of Canada|Pierre Poilievre leave as Conservative leader of Canada|a Canadian federal election be called|Alberta vote to separate from Canada|Quebec hold a sovereignty referendum", "quarter", 3),
            ladder("CANPOLL", "Liberal Party of Canada polls at the end of {when}", "Will the Liberal Party of Canada poll above {x} at the end of {when}?", (42, 1, 5, "{:.0f}%"), "quarter", 3),
            pick("CANWIN", "Next Canadian election in {when}", "Will the {name} win the most seats in a Canadian federal election in {when}?", "Liberals|Conservatives|NDP|no party as none is held", "year", 3),
        ),
    ),
    "middle-east-africa-politics": (
        "Middle East|Africa|World elections",
        (
            each("MEOUT", "Will {name} be out of power by {until}?", "Benjamin Netanyahu of Israel as Prime Minister|Recep Tayyip Erdoğan of Turkey|Mahmoud Abbas of the Palestinian Authority|Ahmed al-Sharaa of Syria|Cyril Ramaphosa of South Africa|William Ruto of Kenya", "half", 4),
            pick("ILPM", "Prime Minister of Israel at the end of {when}", "Will {name} be Prime Minister of Israel at the end of {when}?", "Benjamin Netanyahu|Naftali Bennett|Gadi Eisenkot|Avigdor Lieberman", "year", 3),
            each("AFRVOTE", "Will the incumbent win the next presidential election in {name} by {until}?", "Uganda|Ivory Coast|Nigeria|Zambia|Kenya", "year", 3),
        ),
    ),
    "international-bodies": (
        "NATO|EU|UN|Vatican",
        (
            pick("UNSG", "Next UN Secretary-General in {when}", "Will {name} be chosen as the next UN Secretary-General in {when}?", "Rafael Grossi|Michelle Bachelet|Rebeca Grynspan|Mia Mottley|somebody else", "year", 3),
            each("NATOEU", "Will {name} by {until}?", "Ukraine join the European Union|Montenegro finish EU accession talks|the US leave NATO|a new pope be elected|Finland leave the Ottawa treaty|Bulgaria be readmitted to an EU vote|NATO invoke Article 5|the United Nations admit Palestine as a member", "half", 4),
        ),
    ),
    "russia-ukraine": (
        "Ukraine|Russia|Geopolitics",
        (
            each("UKRCEASE", "Will {name} by {until}?", "Russia and Ukraine agree a ceasefire|Putin and Zelensky meet in person|Russia capture Pokrovsk fully|Russia capture Kostiantynivka|Ukraine hold an election|Ukraine strike the Kerch bridge|Russia enter Dnipropetrovsk's capital|the US stop weapons sales to Ukraine", "quarter", 3),
            ladder("DRONES", "Russian drones launched in {when}", "Will Russia launch more than {x} drones at Ukraine in {when}?", (5000, 400, 5, "{:,.0f}"), "month", 3),
        ),
    ),
    "israel-palestine": (
        "Israel|Gaza|Geopolitics",
        (
            each("GAZA", "Will {name} by {until}?", "Israel and Hamas keep their Gaza ceasefire without a formal end|Israel annex part of the West Bank|Israel launch a ground operation in Lebanon|Hamas disarm in Gaza|an international force deploy in Gaza|Israel strike Beirut|Israel withdraw fully from Gaza", "quarter", 3),
            ladder("GAZAAID", "Aid trucks into Gaza in {when}", "Will more than {x} aid trucks enter Gaza in {when}?", (9000, 1000, 4, "{:,.0f}"), "month", 3),
        ),
    ),
    "iran": (
        "Iran|Middle East|Geopolitics",
        (
            each("IRAN", "Will {name} by {until}?", "Israel strike Iran|the US strike Iran|Khamenei cease to be Supreme Leader of Iran|the US and Iran reach a nuclear deal|Iran close the Strait of Hormuz|Iran leave the Non-Proliferation Treaty|Iran resume enrichment at Fordow|the Iranian regime fall", "quarter", 3),
            ladder("RIAL", "Iranian rial at the end of {when}", "Will one US dollar cost more than {x} Iranian rials on the open market under sanctions at the end of {when}?", (1200000, 100000, 4, "{:,.0f}"), "quarter", 2),
        ),
    ),
    "china-taiwan": (
        "China|Taiwan|Geopolitics",
        (
            each("TAIWAN", "Will China {name} by {until}?", "invade Taiwan|blockade Taiwan|seize a Taiwanese island|fire a missile over Taiwan|hold a large military drill around Taiwan|clash with the Philippines in the South China Sea", "quarter", 3),
            ladder("ADIZ", "Chinese aircraft near Taiwan in {when}", "Will more than {x} Chinese military aircraft enter Taiwan's air defense zone in {when}?", (350, 50, 5, "{:.0f}"), "month", 3),
        ),
    ),
    "venezuela-latam-security": (
        "Venezuela|Latin America|Geopolitics",
        (
            each("VENEZ", "Will {name} by {until}?", "the US strike targets inside Venezuela|Nicolás Maduro be out as leader of Venezuela|the US invade Venezuela|US forces strike a cartel in Mexico|the US strike another drug boat off Venezuela|Guyana and Venezuela exchange fire|the US sanction Colombia|El Salvador extend its state of emergency", "quarter", 3),
            ladder("BOATS", "US strikes on drug boats in {when}", "Will the US military strike more than {x} alleged drug boats near Venezuela in {when}?", (6, 2, 4, "{:.0f}"), "month", 2),
        ),
    ),
    "other-conflicts": (
        "Geopolitics|Conflict|World",
        (
            each("CONFLICT", "Will {name} by {until}?", "India and Pakistan exchange military strikes|Thailand and Cambodia fight across their border|Sudan's army and the RSF agree a ceasefire|there be a coup in Mali|Ethiopia and Eritrea go to war|North and South Korea exchange fire|Azerbaijan and Armenia sign a peace treaty|Rwanda and Congo resume fighting", "quarter", 3),
            each("COUP", "Will there be a military coup in {name} by {until}?", "Nigeria|Guinea-Bissau|Madagascar|Bolivia", "half", 4),
        ),
    ),
    "nuclear-weapons": (
        "Nuclear weapons|Geopolitics",
        (
            each("NUKETEST", "Will {name} test a nuclear weapon by {until}?", "the United States|Russia|North Korea|China|Pakistan", "quarter", 3),
            each("NUKE", "Will {name} by {until}?", "a nuclear weapon be detonated in war|the New START limits be extended|Iran obtain a nuclear weapon|Poland host nuclear weapons|Saudi Arabia announce a nuclear weapons program", "half", 4),
        ),
    ),
}
