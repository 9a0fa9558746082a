import { expect, test } from 'vitest'
import { reportPage } from '../../report/html/page.js'
import { html } from '../../report/html/markup.js'
import { activeParts, chartsOf, open, rowsOf, textOf } from './page-text.js'
import { searchReport } from './search-report.js'

test('what a template is filled with is text; markup stays markup', () => {
  expect(html`<p title="${'"x"'}">${'<b>&'} ${[1, html`<i>${'a'}</i>`]} ${false}${undefined}</p>`.text).toBe(
    '<p title="&quot;x&quot;">&lt;b&gt;&amp; 1<i>a</i> </p>',
  )
  expect(html`${'\u001b[31m\u202eabc'}`.text).toBe('\\u001b[31m\\u202eabc')
})

test('the page says what the result says', () => {
  const data = searchReport()
  const document = open(reportPage(data))
  expect(textOf(document.querySelector('h1'))).toBe('No acceptable child was found')
  expect([...document.querySelectorAll('.cards li')].map(textOf)).toEqual([
    'throughput2.17x2.17x to 2.19x',
    'accuracy kept98.8 %',
    'perplexity1.004x',
    'KL to the parent0.01235nats per token',
    'memory50 %of the parent, in the scenario',
    'parameters46 %of the parent',
  ])
  const text = textOf(document.querySelector('main'))
  expect(text).toContain('It would be accepted with a text.')
  expect(text).toContain('npx puzzleflow profile RUN --again forgets the measurements')
  const rows = rowsOf(document)
  expect(rows).toEqual(
    expect.arrayContaining([
      'throughput, tokens/s|100|217.5|2.175',
      'parameters|400 thousand|184 thousand|0.46',
      'memory in the scenario|1.00 kB|1.00 kB|0.5',
      'throughput >= 2.17x of the parent|met|2.175x|2.171x|2.19x',
      'memory <= 0.4x of the parent|not met|0.5x||',
      'accuracy >= 0.98 of the parent|met|0.9875x||',
      'perplexity <= 1.1 of the parent|met|1.004x||',
      'kl <= 0.01 nats per token|not met|0.01235||',
      'a text|acc|100|0.8 ± 0.01|0.79 ± 0.01|-0.01 ± 0.004|2|1',
      'attempt 1|2.10x|0.02|uptrained',
      'a text|train on|500|0.02|2.1|0.97',
    ]),
  )
  expect(text).toContain(
    'It is proved that no choice of blocks within the limits has a smaller sum of scores than 0.1 (to within rounding errors). A second solver, glpk, agrees.',
  )
  expect(rows).toContain('a text|1|1 h 1 min')
  expect(text).toContain(`puzzleflow run a text`)
  expect(chartsOf(document)).toEqual([
    'Predicted loss of the choices of several methods',
    'Measured children: KL against throughput',
    'Measured against predicted throughput',
    'KL during uptraining',
    'Scores: heat map of every variant in every layer',
    'KL during the uptraining of the first round',
    'Scores of the first round: heat map of every variant in every layer',
    'Seconds of each stage',
  ])
})

test('figures have the units of the limits that they are held against', () => {
  const { result, ...data } = searchReport()
  const limits = [
    { limit: 'throughput >= 6000 tokens/s', held: true, value: 6123.4, interval: [6001, 6240.7] as const },
    { limit: 'chat: prefill <= 0.2 seconds', held: false, value: 0.214, interval: [0.2, 0.23] as const },
    { limit: 'memory <= 25769803776 bytes', held: true, value: 12_250_000_000 },
    { limit: 'parameters <= 2000000', held: true, value: 1_294_000 },
  ]
  const rows = rowsOf(open(reportPage({ ...data, result: { ...result, limits } })))
  expect(rows).toEqual(
    expect.arrayContaining([
      'throughput >= 6000 tokens/s|met|6123 tokens/s|6001 tokens/s|6241 tokens/s',
      'chat: prefill <= 0.2 seconds|not met|0.214 seconds|0.2 seconds|0.23 seconds',
      'memory <= 25769803776 bytes|met|12.3 GB||',
      'parameters <= 2000000|met|1.29 million||',
    ]),
  )
})

test('a layer’s block tells what it costs, what it does, and what else there was', () => {
  const document = open(reportPage(searchReport()))
  const cells = [...document.querySelectorAll('td span[title]')]
  expect(cells).toHaveLength(8)
  // Layer 1: variant-1 takes half of the parent's 10 ms.
  expect(cells[2]!.getAttribute('title')).toBe(
    '5 ms in the scenario, 50 % of the parent’s; KL 0.02 alone; others: variant-2 (KL 0.04), variant-3 (KL 0.06)',
  )
})

test('what parent and child write stands side by side, marked from where they differ', () => {
  const document = open(reportPage(searchReport()))
  const [asked, same, other] = [...document.querySelectorAll('.texts')].map(textOf)
  expect(asked).toBe('Prompt a text parent one two three child one two four')
  expect(same).toBe('Prompt a text parent a text child (the same) a text in the data a text')
  expect(other).toBe('Prompt a text parent one two three child one four a text in the data one two three')
  expect([...document.querySelectorAll('mark')].map(textOf)).toEqual([
    'four',
    ...Array.from({ length: 5 }, () => 'four a text'),
  ])
  expect(textOf(document.querySelector('main'))).toContain('In 1 of 7 texts, the child writes exactly')
  expect([...document.querySelectorAll('summary')].map(textOf)).toContain('2 more')
})

test('items that only one answers right are shown with both answers, where those are known', () => {
  const { texts, ...data } = searchReport()
  const rows = rowsOf(open(reportPage({ ...data, ...(texts && { texts }) })))
  expect(rows).toContain('4|a longer text: a text|a text|a text|a text')
  expect(rows).toContain('9|a text|a text|said by the parent|said by the child')
  const without = open(reportPage(data))
  expect(rowsOf(without)).toContain('9|a text|a text|–|–')
  expect([...without.querySelectorAll('summary')].map(textOf)).toContain(
    'a text: 2 items lost, 1 item won, with their texts',
  )
})

test('several scenarios and the batches that were considered are on the page', () => {
  const { result, ...data } = searchReport()
  const figures = (throughput: number) => ({
    ...{ throughput: { measured: throughput }, prefill: { measured: 0.5 }, tokenLatency: { measured: 0.01 } },
    memoryBytes: 1000,
  })
  const chat = {
    ...{ scenario: { batch: 4, prefill: 64, generate: 32 }, parent: figures(100), child: figures(210) },
    ratios: { throughput: 2.1, prefill: 1, tokenLatency: 1, memory: 1 },
  }
  const batches = {
    ...{ child: 8, parent: 16, parentFits: false },
    considered: [
      { batch: 8, objective: 0.1, throughput: 300, memoryBytes: 2000 },
      { batch: 32, reason: 'memory <= 1 GiB cannot be met' },
    ],
  }
  const document = open(reportPage({ ...data, result: { ...result, scenarios: { chat }, batches } }))
  expect(rowsOf(document)).toEqual(
    expect.arrayContaining([
      'chat|4 × (64 prompt + 32 generated tokens)|throughput, tokens/s|100|210|2.1',
      '8|0.1|300|2.00 kB|chosen',
      '32|–|–|–|memory <= 1 GiB cannot be met',
    ]),
  )
  expect(textOf(document.querySelector('main'))).toContain(
    'The child serves 8 sequences at once, the parent 16 sequences: each at its best batch, as predicted. The parent meets the memory limit at no batch',
  )
})

test('a bound on the accuracy alone is shown as the others are', () => {
  const { result, ...data } = searchReport()
  const page = reportPage({ ...data, result: { ...result, quality: { held: true, value: 0.99374, wanted: 0.984 } } })
  expect(rowsOf(open(page))).toContain('accuracy >= 0.984 of the parent|met|0.9937x||')
})

test('of two rounds, the page says how the first child was chosen, and which blocks the second round changed', () => {
  const document = open(reportPage(searchReport()))
  const text = textOf(document.querySelector('main'))
  expect(text).toContain('This is the second of two rounds. Scores, and so the solver’s figures, are relative to the')
  expect(text).toContain(
    'The best choice that was found has a sum of scores of 0.05; it is proved that none has less than 0.04, which leaves a gap of 20 %.',
  )
  // In layer 0 only the first round's FFN is kept, and layer 1 has another attention.
  expect(rowsOf(document)).toContain('1|parent|variant-1|variant-1|variant-2')
  expect(rowsOf(document)).not.toContain('0|parent|parent|variant-1|variant-1')
})

test('a search that lacks costs, scores, training and tasks has a page without them', () => {
  const { result, startedAt, spec, command, versions } = searchReport()
  const without = ['paired', 'solutions', 'attempts', 'refined', 'quality', 'base']
  const plain = Object.fromEntries(Object.entries(result).filter(([key]) => !without.includes(key))) as typeof result
  const ofParent = { ...plain.parent, accuracy: null, tasks: {} }
  const page = reportPage({
    result: {
      ...plain,
      ...{ parent: ofParent, child: { ...plain.child, accuracy: null }, limits: [] },
      ratios: { ...plain.ratios, accuracy: null },
    },
    ...{ startedAt, spec, command, versions, stages: [] },
  })
  const titles = [...open(page).querySelectorAll('h2')].map(textOf)
  expect(titles).toEqual([
    'Parent and child',
    'Limits',
    'The child, layer by layer',
    'The search',
    'Children that were measured',
    'Left out, and notes',
    'How to reproduce it',
  ])
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('text from outside is never markup, wherever it stands', () => {
  const text = `</title></style></script>"'><script>alert(1)</script><img src=x onerror=alert(1)><a href="http://a.example">`
  const document = open(reportPage(searchReport({ text })))
  expect(activeParts(document)).toEqual([])
  // Each place has the text as it is.
  expect(textOf(document.querySelector('main')).split(text).length).toBeGreaterThan(12)
})

test('the page about 80 layers of 54 variants has less than 3 MB', () => {
  expect(reportPage(searchReport({ layers: 80, variants: 54 })).length).toBeLessThan(3e6)
})
