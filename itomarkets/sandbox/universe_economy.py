"""What the synthetic universe asks about the economy: rates, prices, output, budgets. One entry a risk factor."""

from .templates import Template, each, ladder, pick

# fmt: off
# One question a line reads as a table; wrapped, it would be four times as long.

FACTORS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "fed-policy-rate": (
        "Fed|Interest rates|Jerome Powell",
        (
            ladder("FEDUB", "Fed funds rate after the {when} meeting", "Will the upper bound of the federal funds rate be above {x} following the Fed's {when} meeting?", (3.75, 0.25, 6, "{:.2f}%"), "month", 3),
            pick("FEDDECISION", "Fed decision in {when}", "Will the Federal Reserve {name} at its {when} FOMC meeting?", "cut rates by 50 bps or more|cut rates by 25 bps|hold rates steady|hike rates by 25 bps or more", "month", 3),
            ladder("FEDEND", "Fed funds rate at the end of {when}", "Will the upper bound of the federal funds rate be above {x} at the end of {when}?", (3.5, 0.5, 5, "{:.2f}%"), "year", 4),
            each("FEDMOVE", "Will the Fed {name} before {until}?", "make an emergency rate cut|hike the federal funds rate|cut interest rates three times|end quantitative tightening", "half", 4),
        ),
    ),
    "ecb-policy-rate": (
        "ECB|Interest rates|Europe",
        (
            ladder("ECBDEPO", "ECB deposit rate at the end of {when}", "Will the ECB deposit facility rate be above {x} at the end of {when}?", (2.0, 0.25, 5, "{:.2f}%"), "quarter", 3),
            pick("ECBDECISION", "ECB decision in {when}", "Will the European Central Bank {name} at its {when} meeting?", "cut its deposit rate|leave rates unchanged|raise its deposit rate", "month", 3),
            each("ECBMOVE", "Will the ECB {name} by {until}?", "raise euro area interest rates|cut rates twice|lower its refinancing rate below 2%", "half", 4),
        ),
    ),
    "boe-policy-rate": (
        "Bank of England|Interest rates|UK",
        (
            ladder("BOERATE", "Bank Rate at the end of {when}", "Will the Bank of England's Bank Rate be above {x} at the end of {when}?", (3.75, 0.25, 5, "{:.2f}%"), "quarter", 3),
            pick("BOEDECISION", "Bank of England decision in {when}", "Will the Bank of England {name} at its {when} MPC meeting?", "cut Bank Rate|hold Bank Rate|raise Bank Rate", "month", 3),
            each("BOEMOVE", "Will the Bank of England {name} by {until}?", "cut UK interest rates by 50 bps at one meeting|raise UK interest rates|have an MPC split of 5 to 4", "half", 4),
        ),
    ),
    "boj-policy-rate": (
        "Bank of Japan|Interest rates|Japan",
        (
            ladder("BOJRATE", "Bank of Japan policy rate at the end of {when}", "Will the Bank of Japan's policy rate be above {x} at the end of {when}?", (0.75, 0.25, 5, "{:.2f}%"), "quarter", 3),
            pick("BOJDECISION", "Bank of Japan decision in {when}", "Will the Bank of Japan {name} at its {when} meeting?", "raise its policy rate|keep its policy rate|cut its policy rate", "month", 3),
            each("BOJMOVE", "Will the Bank of Japan {name} by {until}?", "hike rates to 1% or more|cut its policy rate|halve its bond buying", "half", 4),
        ),
    ),
    "other-central-banks": (
        "Central banks|Interest rates",
        (
            each("CBHIKE", "Will the {name} raise its policy rate by {until}?", "Reserve Bank of Australia|Bank of Canada|Reserve Bank of New Zealand|Norges Bank|Central Bank of Brazil|Reserve Bank of India", "quarter", 2),
            ladder("RBACASH", "RBA cash rate at the end of {when}", "Will the Reserve Bank of Australia's cash rate be above {x} at the end of {when}?", (3.6, 0.25, 5, "{:.2f}%"), "quarter", 3),
            ladder("BOCRATE", "Bank of Canada rate at the end of {when}", "Will the Bank of Canada's overnight rate be above {x} at the end of {when}?", (2.25, 0.25, 4, "{:.2f}%"), "quarter", 3),
            each("CBCUT", "Will the {name} cut its key interest rate by {until}?", "Swiss National Bank|Riksbank|Bank of Mexico|Central Bank of Turkey|Bank of Korea", "quarter", 2),
        ),
    ),
    "fed-leadership": (
        "Fed|Jerome Powell|Trump",
        (
            each("FEDLEAVE", "Will {name} leave the Federal Reserve Board by {until}?", "Jerome Powell|Lisa Cook|Christopher Waller|Michelle Bowman|Philip Jefferson|Michael Barr", "quarter", 3),
            pick("FEDCHAIR", "Next Fed chair confirmed in {when}", "Will {name} be confirmed as Chair of the Federal Reserve in {when}?", "Kevin Hassett|Kevin Warsh|Christopher Waller|Rick Rieder|nobody", "half", 4),
            each("FEDINDEP", "Will {name} by {until}?", "the President fire a Fed governor|the Supreme Court let the President remove a Fed governor|a Fed chair nominee be rejected by the Senate", "half", 4),
        ),
    ),
    "us-cpi": (
        "Inflation|CPI|Economy",
        (
            ladder("CPIYOY", "CPI inflation in {when}", "Will US CPI inflation be above {x} year over year in {when}?", (2.9, 0.1, 6, "{:.1f}%"), "month", 3),
            ladder("CPICORE", "Core CPI in {when}", "Will US core CPI rise more than {x} month over month in {when}?", (0.3, 0.1, 4, "{:.1f}%"), "month", 3),
            ladder("PCECORE", "Core PCE inflation in {when}", "Will US core PCE inflation be above {x} in {when}?", (2.8, 0.1, 5, "{:.1f}%"), "month", 3),
            each("CPIHIGH", "Will US annual inflation reach {name} at any point before {until}?", "4%|5%|2%", "year", 3),
            ladder("CPIEND", "CPI inflation at the end of {when}", "Will US CPI inflation be above {x} year over year at the end of {when}?", (2.9, 0.3, 5, "{:.1f}%"), "year", 3),
            ladder("CORECPIEND", "Core CPI inflation at the end of {when}", "Will US core CPI inflation be above {x} year over year at the end of {when}?", (3.0, 0.3, 5, "{:.1f}%"), "year", 3),
            ladder("PCEEND", "Core PCE inflation at the end of {when}", "Will US core PCE inflation be above {x} at the end of {when}?", (2.8, 0.2, 5, "{:.1f}%"), "year", 3),
            ladder("CPIPEAK", "Peak of CPI inflation in {when}", "Will US CPI inflation rise above {x} in any month of {when}?", (3.4, 0.3, 4, "{:.1f}%"), "year", 3),
        ),
    ),
    "world-inflation": (
        "Inflation|World",
        (
            ladder("EUHICP", "Euro area inflation in {when}", "Will euro area annual inflation (HICP) be above {x} in {when}?", (2.0, 0.1, 5, "{:.1f}%"), "month", 3),
            ladder("UKCPI", "UK inflation in {when}", "Will UK CPI inflation be above {x} in {when}?", (3.2, 0.1, 5, "{:.1f}%"), "month", 3),
            each("INFLUP", "Will annual inflation in {name} be higher in {when} than a quarter earlier?", "Japan|Canada|Turkey|Argentina|Brazil|India|Australia", "quarter", 2),
            ladder("ARGCPI", "Argentina monthly inflation in {when}", "Will Argentina's monthly inflation be above {x} in {when}?", (2.0, 0.2, 4, "{:.1f}%"), "month", 3),
            ladder("EUHICPEND", "Euro area inflation at the end of {when}", "Will euro area annual inflation (HICP) be above {x} at the end of {when}?", (2.0, 0.2, 5, "{:.1f}%"), "year", 3),
            ladder("UKCPIEND", "UK inflation at the end of {when}", "Will UK CPI inflation be above {x} at the end of {when}?", (3.0, 0.3, 5, "{:.1f}%"), "year", 3),
            ladder("JPCPIEND", "Japan inflation at the end of {when}", "Will Japan's annual CPI inflation be above {x} at the end of {when}?", (2.2, 0.3, 4, "{:.1f}%"), "year", 3),
            each("INFLEND", "Will annual inflation in {name} be above 4% at the end of {when}?", "Brazil|Mexico|India|Australia|South Africa", "year", 3),
        ),
    ),
    "household-prices": (
        "Inflation|Cost of living|Groceries",
        (
            ladder("EGGPRICE", "Egg prices in {when}", "Will the average US price of a dozen eggs be above {x} in {when}?", (3.2, 0.25, 5, "${:.2f}"), "month", 3),
            ladder("USRENT", "US rents in {when}", "Will the average US asking rent be above {x} in {when}?", (2000, 25, 4, "${:,.0f}"), "month", 3),
            each("GROCERY", "Will the US consumer price of {name} be higher in {when} than a year earlier?", "ground beef|coffee|milk|bread|orange juice|bananas|airline fares|used cars", "quarter", 2),
            ladder("EGGEND", "Egg prices at the end of {when}", "Will the average US price of a dozen eggs be above {x} at the end of {when}?", (3.2, 0.5, 5, "${:.2f}"), "year", 3),
            ladder("RENTEND", "US rents at the end of {when}", "Will the average US asking rent be above {x} at the end of {when}?", (2050, 50, 5, "${:,.0f}"), "year", 3),
            ladder("BEEFEND", "Ground beef prices at the end of {when}", "Will the average US price of a pound of ground beef be above {x} at the end of {when}?", (6.6, 0.3, 5, "${:.2f}"), "year", 3),
            each("GROCERYEND", "Will the US consumer price of {name} be higher at the end of {when} than a year earlier?", "coffee|milk|bread|orange juice|airline fares", "year", 3),
        ),
    ),
    "us-gdp": (
        "GDP|Economy",
        (
            ladder("GDP", "US GDP growth in {when}", "Will US real GDP growth be above {x} in {when}?", (2.0, 0.5, 6, "{:.1f}%"), "quarter", 3),
            ladder("GDPYEAR", "US GDP growth in {when}", "Will US real GDP grow more than {x} in {when}?", (2.0, 0.25, 5, "{:.2f}%"), "year", 3),
            each("GDPDATA", "Will {name} in {when}?", "US GDP contract|the first estimate of US GDP beat the consensus|US industrial production rise|US retail sales rise every month", "quarter", 3),
            ladder("GDPLAST", "US GDP growth in the last quarter of {when}", "Will US real GDP growth be above {x} in the last quarter of {when}?", (2.0, 0.5, 5, "{:.1f}%"), "year", 3),
            each("GDPMARK", "Will US GDP growth {name} before {until}?", "exceed 4% in a quarter|exceed 5% in a quarter|fall below 1% in a quarter|turn negative in a quarter", "year", 3),
        ),
    ),
    "us-recession": (
        "Recession|Economy",
        (
            each("RECESSION", "Will {name} by {until}?", "a US recession begin|the NBER declare a US recession|the US have two negative quarters of GDP|the Sahm rule signal a US recession", "quarter", 3),
            ladder("RECMONTHS", "Odds of US recession in {when}", "Will the New York Fed's US recession probability be above {x} in {when}?", (25, 5, 5, "{:.0f}%"), "quarter", 3),
            ladder("RECODDS", "Odds of US recession at the end of {when}", "Will the New York Fed's US recession probability be above {x} at the end of {when}?", (25, 5, 4, "{:.0f}%"), "year", 3),
        ),
    ),
    "us-jobs": (
        "Jobs report|Unemployment|Economy",
        (
            ladder("U3", "US unemployment rate in {when}", "Will the US unemployment rate be above {x} in {when}?", (4.4, 0.1, 6, "{:.1f}%"), "month", 3),
            ladder("PAYROLLS", "Jobs added in {when}", "Will US nonfarm payrolls grow by more than {x} in {when}?", (75000, 25000, 6, "{:,.0f}"), "month", 3),
            ladder("JOBLESS", "Initial jobless claims, {when}", "Will US initial jobless claims be above {x} in {when}?", (225000, 5000, 4, "{:,.0f}"), "week", 3),
            ladder("U3END", "US unemployment rate at the end of {when}", "Will the US unemployment rate be above {x} at the end of {when}?", (4.5, 0.3, 5, "{:.1f}%"), "year", 3),
            ladder("CLAIMSEND", "Initial jobless claims at the end of {when}", "Will US initial jobless claims be above {x} at the end of {when}?", (235000, 15000, 4, "{:,.0f}"), "year", 3),
            ladder("PAYROLLYR", "Jobs added in {when}", "Will US nonfarm payrolls grow by more than {x} in {when}?", (900000, 200000, 5, "{:,.0f}"), "year", 3),
        ),
    ),
    "us-housing": (
        "Housing|Mortgages|Economy",
        (
            ladder("MORTGAGE30", "30-year mortgage rate at the end of {when}", "Will the US 30-year fixed mortgage rate be above {x} at the end of {when}?", (6.2, 0.1, 6, "{:.1f}%"), "month", 3),
            ladder("HOMESALES", "Existing home sales in {when}", "Will US existing home sales be above {x} in {when}?", (4.05, 0.05, 4, "{:.2f} million"), "month", 3),
            each("HOMEPRICE", "Will the home value index of {name} rise in {when}?", "New York|Los Angeles|Miami|Austin|Chicago|San Francisco", "quarter", 2),
            ladder("HOMEVALUE", "US home prices at the end of {when}", "Will the Case-Shiller US home price index be above {x} at the end of {when}?", (332, 8, 4, "{:.0f}"), "year", 3),
        ),
    ),
    "world-growth": (
        "GDP|World|Economy",
        (
            ladder("CHINAGDP", "China GDP growth in {when}", "Will China's GDP growth be above {x} in {when}?", (4.8, 0.2, 5, "{:.1f}%"), "quarter", 3),
            each("WORLDGDP", "Will the economy of {name} contract in {when}?", "Germany|the United Kingdom|Japan|Canada|France|Mexico|Brazil", "quarter", 2),
            ladder("EUGDP", "Euro area GDP growth in {when}", "Will euro area GDP growth be above {x} in {when}?", (0.2, 0.1, 4, "{:.1f}%"), "quarter", 3),
            each("GDPWORLD", "Will {name} have a recession in {when}?", "Germany|the UK|Canada|Japan", "year", 3),
        ),
    ),
    "tariffs": (
        "Tariffs|Trade war|Trump",
        (
            ladder("TARIFFRATE", "US effective tariff rate at the end of {when}", "Will the US average effective tariff rate be above {x} at the end of {when}?", (15, 1, 5, "{:.0f}%"), "quarter", 3),
            each("TARIFFON", "Will the US raise tariffs on {name} by {until}?", "China|the European Union|Canada|Mexico|India|Brazil|Japan|Switzerland", "quarter", 3),
            each("TARIFFSECTOR", "Will new US tariffs on {name} take effect by {until}?", "semiconductors|pharmaceuticals|copper|lumber|movies", "quarter", 2),
            ladder("CUSTOMS", "US customs revenue in {when}", "Will US tariff revenue be above {x} in {when}?", (300, 40, 4, "${:.0f} billion"), "year", 3),
        ),
    ),
    "trade-deals": (
        "Trade deals|Trade",
        (
            each("TRADEDEAL", "Will the US sign a trade deal with {name} by {until}?", "China|India|Switzerland|Brazil|Canada|Taiwan|Vietnam|South Africa", "quarter", 3),
            each("TRADEPACT", "Will {name} by {until}?", "USMCA be renewed|the EU and Mercosur ratify their trade agreement|the UK and India bring their free trade agreement into force|the US and EU trade agreement be ratified", "half", 4),
        ),
    ),
    "us-debt-deficit": (
        "National debt|Deficit|Budget",
        (
            ladder("USDEBT", "US national debt at the end of {when}", "Will the US national debt be above {x} at the end of {when}?", (38.5, 0.25, 5, "${:.2f} trillion"), "quarter", 3),
            ladder("DEFICIT", "US budget deficit in {when}", "Will the US federal budget deficit be above {x} in {when}?", (1.8, 0.1, 4, "${:.1f} trillion"), "year", 3),
            each("DEBTEVENT", "Will {name} by {until}?", "the US default on its debt|the US debt ceiling be raised|a credit rating agency downgrade the United States|US interest costs exceed $1 trillion in a year", "half", 4),
        ),
    ),
    "taxes": (
        "Taxes|Congress",
        (
            each("TAXBILL", "Will {name} become US tax law by {until}?", "a cut of the corporate tax rate|a wealth tax|a higher top income tax rate|a capital gains tax cut|an end to tax on Social Security|a stock buyback tax increase", "half", 4),
            ladder("CORPTAX", "US corporate tax rate at the end of {when}", "Will the US federal corporate tax rate be above {x} at the end of {when}?", (20, 1, 3, "{:.0f}%"), "year", 3),
            each("STATETAX", "Will {name} raise income taxes in {when}?", "California|New York|Massachusetts|Washington State|Illinois", "year", 3),
        ),
    ),
    "government-shutdown": (
        "Government shutdown|Congress|Budget",
        (
            each("SHUTDOWN", "Will there be a US government shutdown {name} {until}?", "before|of the Department of Homeland Security before|of the Department of Defense before", "quarter", 3),
            ladder("SHUTDAYS", "Length of government shutdowns in {when}", "Will US government shutdowns in {when} last more than {x}?", (15, 5, 5, "{:.0f} days"), "half", 4),
            each("FUNDING", "Will Congress pass {name} by {until}?", "a full-year funding bill|another continuing resolution|all twelve appropriations bills", "quarter", 2),
        ),
    ),
}
