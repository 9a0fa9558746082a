import { parseHTML } from 'linkedom'
import { expect, test } from 'vitest'
import { reportPage } from '../../report/html/page.js'
import { html } from '../../report/html/markup.js'
import { searchReport } from './search-report.js'

/** What is used of an element; the types of browsers are not known here. */
interface Part {
  readonly textContent: string | null
  readonly attributes: Iterable<{ readonly name: string }>
  getAttribute(name: string): string | null
  querySelector(selector: string): Part | null
  querySelectorAll(selector: string): Iterable<Part>
}
const open = (page: string) => (parseHTML(page) as { readonly document: Part }).document
const textOf = (element: Pick<Part, 'textContent'> | null) => (element?.textContent ?? '').replace(/\s+/g, ' ').trim()

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
  const rows = [...document.querySelectorAll('tr')].map((row) => [...row.querySelectorAll('td')].map(textOf).join('|'))
  expect(rows).toEqual(
    expect.arrayContaining([
      'throughput, tokens/s|100|217.5|2.175',
      'throughput >= 2.17x of the parent|met|2.175|2.171|2.19',
      'memory <= 0.4x of the parent|not met|0.5||',
      'a text|acc|100|0.8 ± 0.01|0.79 ± 0.01|-0.01 ± 0.004|2|1',
      'attempt 1|2.10x|0.02|uptrained',
    ]),
  )
  expect(text).toContain(
    'It is proved that no choice of blocks within the limits has a smaller sum of scores than 0.1 (to within rounding errors). A second solver, glpk, agrees.',
  )
  expect(rows).toContain('a text|1|1 h 1 min')
  expect(text).toContain(`puzzleflow run a text`)
  const charts = [...document.querySelectorAll('svg[role=img]')].map((svg) => svg.getAttribute('aria-label'))
  expect(charts).toEqual([
    'Predicted loss of the choices of several methods',
    'Measured children: KL against throughput',
    'Measured against predicted throughput',
    'KL during uptraining',
    'Heat map of the score of every variant in every layer',
    'Seconds of each stage',
  ])
})

test('a layer’s block tells what it costs, what it does, and what else there was', () => {
  const document = open(reportPage(searchReport()))
  const cells = [...document.querySelectorAll('td span[title]')]
  expect(cells).toHaveLength(8)
  // Layer 1: variant-1 takes half of the parent's 10 ms.
  expect(cells[2]!.getAttribute('title')).toBe(
    '50 % of the parent’s time; KL 0.02 alone; others: variant-2 (KL 0.04), variant-3 (KL 0.06)',
  )
})

test('a search that lacks costs, scores, training and tasks has a page without them', () => {
  const { result, startedAt, spec, command, versions } = searchReport()
  const without = ['paired', 'solutions', 'attempts', 'refined']
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
    'How to make it again',
  ])
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('text from outside is never markup, wherever it stands', () => {
  const text = `</title></style></script>"'><script>alert(1)</script><img src=x onerror=alert(1)><a href="http://a.example">`
  const document = open(reportPage(searchReport({ text })))
  expect([...document.querySelectorAll('script, img, a, iframe, object, link')]).toEqual([])
  const handlers = [...document.querySelectorAll('*')].flatMap((element) =>
    [...element.attributes].filter(({ name }) => name.startsWith('on')),
  )
  expect(handlers).toEqual([])
  // Each place has the text as it is.
  expect(textOf(document.querySelector('main')).split(text).length).toBeGreaterThan(12)
})

test('the page about 80 layers of 54 variants has less than 3 MB', () => {
  expect(reportPage(searchReport({ layers: 80, variants: 54 })).length).toBeLessThan(3e6)
})
