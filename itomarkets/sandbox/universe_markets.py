"""What the synthetic universe asks about companies and what is traded. One entry a risk factor."""

from .templates import Template, each, ladder, pick

# fmt: off
# One question a line reads as a table; wrapped, it would be four times as long.

STOCKS = "NVIDIA|Apple|Tesla|Microsoft|Amazon|Meta"
FACTORS: dict[str, tuple[str, tuple[Template, ...]]] = {
    "us-equity-indices": (
        "S&P 500|Stocks|Indices",
        (
            ladder("INXM", "S&P 500 at the end of {when}", "Will the S&P 500 close above {x} at the end of {when}?", (6800, 150, 7, "{:,.0f}"), "month", 3),
            ladder("NDXM", "Nasdaq-100 at the end of {when}", "Will the Nasdaq-100 close above {x} at the end of {when}?", (25000, 750, 5, "{:,.0f}"), "month", 3),
            ladder("INXW", "S&P 500, {when}", "Will the S&P 500 close above {x} at the end of {when}?", (6800, 50, 5, "{:,.0f}"), "week", 2),
            ladder("DJIY", "Dow Jones at the end of {when}", "Will the Dow Jones Industrial Average be above {x} at the end of {when}?", (48000, 2000, 5, "{:,.0f}"), "year", 3),
        ),
    ),
    "world-equity-indices": (
        "Stocks|Indices|World",
        (
            ladder("NIKKEI", "Nikkei 225 at the end of {when}", "Will the Nikkei 225 close above {x} at the end of {when}?", (50000, 1500, 5, "{:,.0f}"), "month", 3),
            ladder("DAX", "DAX at the end of {when}", "Will the German DAX index close above {x} at the end of {when}?", (24000, 500, 5, "{:,.0f}"), "month", 2),
            ladder("FTSE", "FTSE 100 at the end of {when}", "Will the FTSE 100 close above {x} at the end of {when}?", (9700, 150, 5, "{:,.0f}"), "month", 2),
            each("IDXUP", "Will {name} finish {when} higher than it began?", "the Hang Seng index|India's Nifty 50|South Korea's KOSPI|Brazil's Bovespa|the Euro Stoxx 50", "quarter", 2),
        ),
    ),
    "single-stocks": (
        "Stocks|Big Tech",
        (
            ladder("NVDAPX", "NVIDIA share price at the end of {when}", "Will NVIDIA (NVDA) close above {x} at the end of {when}?", (185, 10, 6, "${:,.0f}"), "month", 3),
            ladder("TSLAPX", "Tesla share price at the end of {when}", "Will Tesla (TSLA) close above {x} at the end of {when}?", (420, 25, 5, "${:,.0f}"), "month", 3),
            pick("LARGESTCO", "Largest company at the end of {when}", "Will {name} be the world's largest company by market cap at the end of {when}?", STOCKS + "|Alphabet", "quarter", 3),
            each("STOCKHIGH", "Will the share price of {name} hit a new all-time high in {when}?", STOCKS + "|Netflix|Palantir|Coinbase", "month", 2),
        ),
    ),
    "equity-volatility": (
        "VIX|Stocks|Volatility",
        (
            ladder("VIXMAX", "VIX high in {when}", "Will the VIX volatility index rise above {x} in {when}?", (24, 3, 6, "{:.0f}"), "month", 3),
            each("CRASH", "Will the {name} by {until}?", "S&P 500 fall 10% from its high|S&P 500 enter a bear market|Nasdaq fall 5% in one day|stock market trigger a circuit breaker halt", "quarter", 3),
            ladder("VIXEND", "VIX at the end of {when}", "Will the VIX volatility index be above {x} at the end of {when}?", (18, 3, 5, "{:.0f}"), "year", 4),
            ladder("VIXPEAK", "VIX high in {when}", "Will the VIX volatility index rise above {x} in {when}?", (45, 8, 5, "{:.0f}"), "year", 3),
        ),
    ),
    "earnings": (
        "Earnings|Companies",
        (
            each("EPSBEAT", "Will {name} beat quarterly earnings estimates for {when}?", "NVIDIA|Apple|Tesla|Netflix|Walmart|JPMorgan|Disney|Nike", "quarter", 2),
            ladder("TSLADELIV", "Tesla deliveries in {when}", "Will Tesla report more than {x} vehicle deliveries in {when}?", (460000, 15000, 6, "{:,.0f}"), "quarter", 3),
            ladder("NVDAREV", "NVIDIA revenue in {when}", "Will NVIDIA report quarterly revenue above {x} for {when}?", (60, 2, 5, "${:.0f} billion"), "quarter", 2),
            ladder("TSLAYEAR", "Tesla deliveries in {when}", "Will Tesla report more than {x} vehicle deliveries in {when}?", (1.75, 0.1, 5, "{:.2f} million"), "year", 3),
            ladder("NVDAYEAR", "NVIDIA revenue in {when}", "Will NVIDIA report annual revenue above {x} for {when}?", (300, 40, 5, "${:.0f} billion"), "year", 3),
            each("EPSYEAR", "Will {name} beat annual earnings estimates for {when}?", "Apple|Netflix|Walmart|JPMorgan|Disney|Nike", "year", 3),
        ),
    ),
    "ipos": (
        "IPOs|Companies",
        (
            each("IPO", "Will {name} IPO by {until}?", "SpaceX|OpenAI|Anthropic|Stripe|Databricks|Kraken|Discord|Canva", "quarter", 3),
            ladder("IPOCOUNT", "US IPOs in {when}", "Will more than {x} companies go public in a US IPO in {when}?", (60, 10, 5, "{:.0f}"), "quarter", 2),
            ladder("SPACEXCAP", "SpaceX IPO valuation in {when}", "Will SpaceX's IPO market cap be above {x} in {when}?", (1.5, 0.25, 4, "${:.2f} trillion"), "year", 3),
        ),
    ),
    "mergers": (
        "Mergers|Companies|Acquisitions",
        (
            each("ACQUIRE", "Will the acquisition of {name} close by {until}?", "Warner Bros. Discovery|Electronic Arts|U.S. Steel's rival Cleveland-Cliffs|Union Pacific's target Norfolk Southern|Intel's foundry unit|Kenvue", "quarter", 3),
            pick("BUYER", "Who will acquire the studio in {when}?", "Will {name} announce an acquisition of a major film studio in {when}?", "Paramount|Comcast|Netflix|Amazon|Apple", "half", 4),
            each("MERGE", "Will {name} announce a merger by {until}?", "two US airlines|two of the largest US banks|two big automakers|BP and Shell", "half", 4),
        ),
    ),
    "executives": (
        "CEOs|Companies",
        (
            each("CEOOUT", "Will {name} leave as CEO by {until}?", "Tim Cook of Apple|Elon Musk of Tesla|Sam Altman of OpenAI|Mark Zuckerberg of Meta|David Zaslav of Warner Bros.|Bob Iger of Disney|Andy Jassy of Amazon", "quarter", 3),
            pick("NEXTAPPLE", "Next CEO of Apple in {when}", "Will {name} be named CEO of Apple in {when}?", "John Ternus|Craig Federighi|Greg Joswiak|nobody new", "year", 3),
        ),
    ),
    "bankruptcies": (
        "Bankruptcy|Layoffs|Companies",
        (
            each("BANKRUPT", "Will {name} file for bankruptcy by {until}?", "Spirit Airlines|Rite Aid|AMC|Wolfspeed|Peloton|Beyond Meat", "quarter", 3),
            each("LAYOFFS", "Will {name} announce mass layoffs by {until}?", "Google|Amazon|Microsoft|Intel|Meta|UPS", "quarter", 2),
            ladder("BANKFAIL", "US bank failures in {when}", "Will more than {x} US banks fail in {when}?", (2, 1, 4, "{:.0f}"), "half", 4),
        ),
    ),
    "us-treasury-yields": (
        "Treasuries|Bonds|Yields",
        (
            ladder("TNOTE10", "10-year Treasury yield at the end of {when}", "Will the US 10-year Treasury yield be above {x} at the end of {when}?", (4.1, 0.1, 7, "{:.2f}%"), "month", 3),
            ladder("TNOTE2", "2-year Treasury yield at the end of {when}", "Will the US 2-year Treasury yield be above {x} at the end of {when}?", (3.5, 0.1, 5, "{:.2f}%"), "month", 3),
            each("CURVE", "Will the US {name} by {until}?", "yield curve (10-year minus 2-year) invert|30-year Treasury yield hit 5.5%|10-year Treasury yield fall below 3.5%", "half", 4),
            ladder("TBOND30", "30-year Treasury yield at the end of {when}", "Will the US 30-year Treasury yield be above {x} at the end of {when}?", (4.7, 0.25, 5, "{:.2f}%"), "year", 4),
        ),
    ),
    "us-dollar": (
        "Forex|Dollar",
        (
            ladder("USDJPY", "Dollar-yen at the end of {when}", "Will the US dollar be worth more than {x} at the end of {when}?", (154, 2, 6, "{:.0f} Japanese yen"), "month", 3),
            ladder("DXY", "Dollar index at the end of {when}", "Will the US dollar index (DXY) be above {x} at the end of {when}?", (99, 1, 5, "{:.0f}"), "month", 3),
            ladder("USDCNY", "Dollar-yuan at the end of {when}", "Will the US dollar be worth more than {x} at the end of {when}?", (7.1, 0.05, 4, "{:.2f} Chinese yuan"), "quarter", 2),
            ladder("USDCAD", "Dollar against Canada's at the end of {when}", "Will the US dollar be worth more than {x} at the end of {when}?", (1.39, 0.03, 5, "{:.2f} Canadian dollars"), "year", 4),
            ladder("USDMXN", "Dollar-peso at the end of {when}", "Will the US dollar be worth more than {x} at the end of {when}?", (18.5, 0.5, 5, "{:.1f} Mexican pesos"), "year", 3),
        ),
    ),
    "other-currencies": (
        "Forex|Bonds|World",
        (
            ladder("EURGBP", "Euro-sterling at the end of {when}", "Will the euro be worth more than {x} British pounds at the end of {when}?", (0.87, 0.01, 5, "{:.2f}"), "month", 3),
            ladder("UKGILT", "UK 10-year gilt yield at the end of {when}", "Will the UK 10-year gilt yield be above {x} at the end of {when}?", (4.5, 0.1, 5, "{:.1f}%"), "month", 3),
            ladder("JGB10", "Japanese bond yield at the end of {when}", "Will the Japanese 10-year government bond yield be above {x} at the end of {when}?", (1.7, 0.1, 5, "{:.1f}%"), "quarter", 2),
            each("FXUP", "Will the {name} strengthen against the euro in {when}?", "Swiss franc|Turkish lira|Argentine peso|Indian rupee|Polish zloty", "quarter", 2),
            ladder("EURCHF", "Euro-franc at the end of {when}", "Will the euro be worth more than {x} Swiss francs at the end of {when}?", (0.93, 0.02, 5, "{:.2f}"), "year", 4),
        ),
    ),
    "bitcoin-price": (
        "Bitcoin|Crypto|Crypto Prices",
        (
            ladder("BTCMAXM", "Bitcoin price at the end of {when}", "Will the price of Bitcoin be above {x} at the end of {when}?", (95000, 5000, 7, "${:,.0f}"), "month", 3),
            ladder("BTCD", "Bitcoin price on {when}", "Will the price of Bitcoin be above {x} on {when}?", (95000, 1000, 4, "${:,.0f}"), "day", 4),
            ladder("BTCY", "Bitcoin high in {when}", "Will Bitcoin reach {x} at any time in {when}?", (130000, 10000, 6, "${:,.0f}"), "year", 3),
        ),
    ),
    "ether-price": (
        "Ethereum|Crypto|Crypto Prices",
        (
            ladder("ETHM", "Ethereum price at the end of {when}", "Will the price of Ethereum be above {x} at the end of {when}?", (3000, 200, 7, "${:,.0f}"), "month", 3),
            ladder("ETHW", "Ethereum price, {when}", "Will the price of Ethereum be above {x} at the end of {when}?", (3000, 100, 4, "${:,.0f}"), "week", 2),
            ladder("ETHY", "Ethereum high in {when}", "Will Ethereum (ETH) hit {x} in {when}?", (5000, 500, 5, "${:,.0f}"), "year", 3),
        ),
    ),
    "altcoin-prices": (
        "Crypto|Crypto Prices|Solana|XRP",
        (
            ladder("SOLM", "Solana price at the end of {when}", "Will the price of Solana be above {x} at the end of {when}?", (140, 10, 6, "${:,.0f}"), "month", 3),
            ladder("XRPM", "XRP price at the end of {when}", "Will the price of XRP be above {x} at the end of {when}?", (2.2, 0.2, 5, "${:.2f}"), "month", 3),
            each("ALTATH", "Will {name} reach a new all-time high price by {until}?", "Dogecoin|Cardano (ADA)|Hyperliquid (HYPE)|Chainlink|BNB|Litecoin", "quarter", 2),
        ),
    ),
    "crypto-regulation": (
        "Crypto|Crypto regulation|SEC",
        (
            each("CRYPTOETF", "Will the SEC approve a spot {name} ETF by {until}?", "Dogecoin|Cardano|Avalanche|Hyperliquid|Polkadot|Sui", "quarter", 3),
            each("CRYPTOLAW", "Will {name} by {until}?", "the crypto market structure bill become law|the SEC adopt a crypto innovation exemption|the CFTC gain authority over spot crypto|stablecoin interest be banned", "half", 4),
        ),
    ),
    "crypto-projects": (
        "Crypto|Airdrops|Token launch",
        (
            each("AIRDROP", "Will {name} launch a token by {until}?", "MetaMask|Base|OpenSea|Polymarket|Phantom|Axiom|Farcaster", "quarter", 3),
            ladder("FDV", "MegaETH valuation a day after launch in {when}", "Will the MegaETH token's fully diluted valuation be above {x} one day after launch in {when}?", (2, 1, 4, "${:.0f} billion"), "half", 4),
            each("UPGRADE", "Will {name} by {until}?", "Ethereum ship its Glamsterdam upgrade|Solana activate the Alpenglow upgrade|Bitcoin activate a soft fork|Cardano hard fork", "half", 4),
        ),
    ),
    "crypto-adoption": (
        "Crypto|Bitcoin reserves|Strategy",
        (
            ladder("MSTRBTC", "Strategy's bitcoin at the end of {when}", "Will Strategy (MicroStrategy) hold more than {x} bitcoin at the end of {when}?", (680000, 20000, 5, "{:,.0f}"), "quarter", 3),
            each("BTCRESERVE", "Will {name} buy Bitcoin for a national reserve by {until}?", "the United States|Brazil|Czechia|Pakistan|Switzerland|Texas", "half", 4),
            each("ADOPT", "Will {name} hold Bitcoin on its balance sheet by {until}?", "Apple|Meta|Microsoft|Amazon", "half", 4),
        ),
    ),
    "crude-oil": (
        "Oil|Commodities|WTI",
        (
            ladder("WTIM", "WTI crude oil at the end of {when}", "Will the price of WTI crude oil be above {x} at the end of {when}?", (62, 3, 7, "${:.0f}"), "month", 3),
            ladder("BRENT", "Brent crude at the end of {when}", "Will Brent crude oil settle above {x} per barrel at the end of {when}?", (66, 3, 5, "${:.0f}"), "month", 3),
            ladder("WTIY", "Crude oil high in {when}", "Will crude oil hit {x} a barrel in {when}?", (85, 5, 4, "${:.0f}"), "year", 3),
        ),
    ),
    "natural-gas": (
        "Natural gas|Commodities",
        (
            ladder("NATGASM", "Natural gas at the end of {when}", "Will the price of US natural gas (Henry Hub) be above {x} at the end of {when}?", (4.0, 0.25, 6, "${:.2f}"), "month", 3),
            ladder("TTF", "European natural gas at the end of {when}", "Will European natural gas (Dutch TTF) be above {x} per MWh at the end of {when}?", (30, 3, 5, "{:.0f} euros"), "month", 3),
            ladder("NATGASY", "Natural gas high in {when}", "Will US natural gas (Henry Hub) hit {x} in {when}?", (6.0, 1.0, 4, "${:.2f}"), "year", 3),
        ),
    ),
    "gasoline": (
        "Gas prices|Fuel",
        (
            ladder("AAAGASM", "US gas prices at the end of {when}", "Will average US gas prices be above {x} at the end of {when}?", (3.1, 0.1, 7, "${:.2f}"), "month", 3),
            ladder("GASCA", "California gas prices at the end of {when}", "Will average gasoline prices in California be above {x} at the end of {when}?", (4.6, 0.1, 4, "${:.2f}"), "month", 3),
            ladder("DIESEL", "US diesel price at the end of {when}", "Will the average US diesel price be above {x} a gallon at the end of {when}?", (3.8, 0.1, 4, "${:.2f}"), "month", 2),
        ),
    ),
    "power-nuclear": (
        "Nuclear energy|Electricity|Renewables",
        (
            each("REACTOR", "Will {name} by {until}?", "the Palisades nuclear plant restart|Three Mile Island's reactor restart|a US small modular reactor reach criticality|Japan restart Kashiwazaki-Kariwa|Germany restart a nuclear reactor|a new US nuclear plant break ground", "half", 4),
            ladder("POWERPX", "US electricity price in {when}", "Will the average US residential electricity price be above {x} per kWh in {when}?", (18, 0.5, 5, "{:.1f} cents"), "quarter", 3),
            ladder("SOLARGW", "US solar installations in {when}", "Will the US add more than {x} of solar power capacity in {when}?", (40, 3, 4, "{:.0f} GW"), "year", 3),
        ),
    ),
    "energy-supply": (
        "OPEC|Oil|Energy supply",
        (
            each("OPECUP", "Will OPEC+ {name} by {until}?", "agree to raise oil output|pause its output increases|lose a member|hold an emergency meeting", "quarter", 3),
            ladder("CRUDEPROD", "US crude production in {when}", "Will US crude oil production be above {x} barrels a day in {when}?", (13.6, 0.1, 5, "{:.1f} million"), "quarter", 3),
            each("OILSUPPLY", "Will {name} by {until}?", "sanctions on Russian oil be eased|Venezuelan oil exports exceed one million barrels a day|the Strategic Petroleum Reserve be refilled above 420 million barrels", "half", 4),
        ),
    ),
    "gold": (
        "Gold|Commodities|Metals",
        (
            ladder("GOLDM", "Gold price at the end of {when}", "Will the price of gold be above {x} per ounce at the end of {when}?", (4100, 100, 7, "${:,.0f}"), "month", 3),
            ladder("GOLDY", "Gold high in {when}", "Will gold hit {x} an ounce in {when}?", (5000, 250, 5, "${:,.0f}"), "year", 3),
            ladder("GOLDAVG", "Average gold price in {when}", "Will the average price of gold be above {x} per ounce in {when}?", (4200, 250, 5, "${:,.0f}"), "year", 4),
            each("GOLDMARK", "Will the price of gold {name} before {until}?", "reach a new all-time high|exceed $6,000 an ounce|exceed $8,000 an ounce|fall below $3,500 an ounce", "year", 3),
        ),
    ),
    "industrial-metals": (
        "Silver|Copper|Commodities|Metals",
        (
            ladder("SILVERM", "Silver price at the end of {when}", "Will the price of silver be above {x} per ounce at the end of {when}?", (50, 2, 7, "${:.0f}"), "month", 3),
            ladder("COPPERM", "Copper price at the end of {when}", "Will the price of copper be above {x} per pound at the end of {when}?", (5.0, 0.2, 6, "${:.2f}"), "month", 3),
            ladder("PLATINUM", "Platinum price at the end of {when}", "Will the price of platinum be above {x} per ounce at the end of {when}?", (1550, 75, 4, "${:,.0f}"), "month", 2),
        ),
    ),
    "agriculture": (
        "Agriculture|Commodities|Crops",
        (
            ladder("CORN", "Corn price at the end of {when}", "Will the price of corn be above {x} per bushel at the end of {when}?", (4.3, 0.15, 5, "${:.2f}"), "month", 3),
            ladder("WHEAT", "Wheat price at the end of {when}", "Will the price of wheat be above {x} per bushel at the end of {when}?", (5.4, 0.2, 5, "${:.2f}"), "month", 3),
            ladder("COFFEE", "Coffee price at the end of {when}", "Will arabica coffee futures be above {x} per pound at the end of {when}?", (3.8, 0.2, 5, "${:.2f}"), "month", 3),
            ladder("CATTLE", "Live cattle price at the end of {when}", "Will live cattle futures be above {x} per pound at the end of {when}?", (2.2, 0.1, 4, "${:.2f}"), "month", 2),
        ),
    ),
    "ai-leaderboards": (
        "AI|LMArena|Models",
        (
            pick("TOPMODEL", "Best AI model at the end of {when}", "Will {name} have the best AI model on the LMArena text leaderboard at the end of {when}?", "Google|OpenAI|Anthropic|xAI|DeepSeek|Alibaba", "month", 3),
            pick("CODEMODEL", "Best AI model for coding at the end of {when}", "Will {name} have the top ranked coding AI model at the end of {when}?", "Google|OpenAI|Anthropic|xAI|Mistral", "month", 3),
            ladder("ARENASCORE", "Top LMArena score at the end of {when}", "Will the top AI model's LMArena leaderboard score be above {x} at the end of {when}?", (1520, 15, 4, "{:.0f}"), "quarter", 2),
        ),
    ),
    "ai-releases": (
        "AI|OpenAI|Releases",
        (
            each("AIREL", "Will {name} be released by {until}?", "OpenAI's GPT-6|xAI's Grok 5|Google's Gemini 4|DeepSeek V4|Anthropic's Claude 5|Meta's next Llama model|an Apple AI Siri", "quarter", 3),
            pick("FIRSTREL", "Next big AI model release in {when}", "Will {name} be first to release a new frontier AI model in {when}?", "OpenAI|Google|Anthropic|xAI|Meta", "month", 3),
            each("AINEXT", "Will {name} be released by {until}?", "OpenAI's GPT-7|Google's Gemini 5|xAI's Grok 6|Anthropic's Claude 6|an open-weights OpenAI model above GPT-5", "year", 3),
            pick("NEXTMODEL", "First big AI model release of {when}", "Will {name} be first to release a new frontier AI model in {when}?", "OpenAI|Google|Anthropic|xAI|Meta", "year", 3),
        ),
    ),
    "ai-capabilities": (
        "AI|AGI|Milestones",
        (
            ladder("FRONTIERMATH", "Best FrontierMath score at the end of {when}", "Will an AI model score above {x} on the FrontierMath benchmark by the end of {when}?", (50, 5, 5, "{:.0f}%"), "quarter", 3),
            each("AIMILE", "Will an AI {name} by {until}?", "solve a Millennium Prize problem|win a gold medal at the International Mathematical Olympiad|pass a public Turing test|score 90% on Humanity's Last Exam|write a bestselling novel|be declared AGI by OpenAI", "half", 4),
            ladder("HLESCORE", "Best Humanity's Last Exam score at the end of {when}", "Will an AI model score above {x} on Humanity's Last Exam by the end of {when}?", (60, 8, 5, "{:.0f}%"), "year", 3),
            ladder("ARCAGI", "Best ARC-AGI-2 score at the end of {when}", "Will an AI score above {x} on ARC-AGI-2 by the end of {when}?", (60, 10, 4, "{:.0f}%"), "half", 4),
        ),
    ),
    "tech-regulation": (
        "Antitrust|Tech regulation|Big Tech",
        (
            each("ANTITRUST", "Will {name} be found to break antitrust law by {until}?", "Apple|Amazon|Meta|Microsoft|Nvidia|Ticketmaster", "half", 4),
            each("TECHLAW", "Will {name} by {until}?", "the US pass a federal AI regulation law|the EU delay its AI Act|Google be forced to sell its ad exchange|a US state ban social media for children|the EU fine X under the Digital Services Act|Section 230 be repealed", "half", 4),
        ),
    ),
    "consumer-tech": (
        "Tech|Apps|Apple",
        (
            pick("TOPAPP", "Top free app at the end of {when}", "Will {name} be the number one free app in the US Apple App Store at the end of {when}?", "ChatGPT|Threads|Google Gemini|TikTok|Temu|Sora", "month", 3),
            each("GADGET", "Will {name} by {until}?", "Apple announce a foldable iPhone|Tesla launch unsupervised Full Self-Driving|Apple release smart glasses|TikTok be sold to a US owner|X launch a payments app|Amazon ship a home robot|Waymo open robotaxi service in New York", "quarter", 2),
            ladder("WAYMO", "Waymo rides at the end of {when}", "Will Waymo give more than {x} paid robotaxi rides a week at the end of {when}?", (500000, 50000, 4, "{:,.0f}"), "quarter", 2),
        ),
    ),
}
