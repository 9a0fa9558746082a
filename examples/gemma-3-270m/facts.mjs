// What tasks.mjs asks under `facts`: sentences of one form, of which the first three are shown and the last word of another is asked.
const pairs = (text) =>
  text
    .trim()
    .split(/\s*[,\n]\s*/)
    .map((pair) => pair.split(': '))

export const facts = [
  {
    sentence: (country, capital) => [`The capital of ${country} is`, `${capital}.`],
    known: pairs(`
      Italy: Rome, Japan: Tokyo, Canada: Ottawa
      France: Paris, Germany: Berlin, Spain: Madrid, England: London, Ireland: Dublin, Portugal: Lisbon, Austria: Vienna
      Greece: Athens, Russia: Moscow, China: Beijing, India: New Delhi, Egypt: Cairo, Cuba: Havana, Norway: Oslo
      Sweden: Stockholm, Finland: Helsinki, Poland: Warsaw, Hungary: Budapest, Turkey: Ankara, Peru: Lima, Chile: Santiago
      Iran: Tehran, Iraq: Baghdad, Thailand: Bangkok, Kenya: Nairobi, Belgium: Brussels, Denmark: Copenhagen
      Switzerland: Bern, Ukraine: Kyiv, Vietnam: Hanoi, Argentina: Buenos Aires, Australia: Canberra, Mexico: Mexico City
      Venezuela: Caracas, Lebanon: Beirut, Syria: Damascus`),
  },
  {
    sentence: (country, language) => [`Most people in ${country} speak`, `${language}.`],
    known: pairs(`
      Italy: Italian, Japan: Japanese, England: English
      France: French, Germany: German, Spain: Spanish, Mexico: Spanish, Brazil: Portuguese, Russia: Russian, China: Chinese
      Greece: Greek, Egypt: Arabic, Sweden: Swedish, Poland: Polish, Turkey: Turkish, Austria: German, Iran: Persian
      Argentina: Spanish, Australia: English, Iraq: Arabic, Korea: Korean`),
  },
  {
    sentence: (word, opposite) => [`The opposite of ${word} is`, `${opposite}.`],
    known: pairs(`
      hot: cold, up: down, wet: dry
      big: small, old: young, good: bad, day: night, black: white, open: closed, high: low, fast: slow, left: right
      happy: sad, rich: poor, strong: weak, hard: soft, early: late, full: empty, love: hate, war: peace, win: lose
      first: last, true: false, inside: outside, north: south, east: west, light: dark, alive: dead, loud: quiet
      near: far, thick: thin, push: pull, buy: sell, before: after, always: never, beginning: end, question: answer`),
  },
  {
    sentence: (now, before) => [`Today they ${now}, yesterday they`, `${before}.`],
    known: pairs(`
      go: went, play: played, eat: ate
      see: saw, run: ran, come: came, take: took, give: gave, write: wrote, speak: spoke, know: knew, think: thought
      buy: bought, find: found, make: made, swim: swam, drive: drove, break: broke, fall: fell, sing: sang, drink: drank
      fly: flew, grow: grew, teach: taught, sleep: slept, win: won, leave: left, bring: brought, begin: began, tell: told`),
  },
]
