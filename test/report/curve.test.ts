import { expect, test } from 'vitest'
import { curvePage, curveTable, type Curve } from '../../report/curve.js'
import { plot } from '../../report/plot.js'

const ratios = { throughput: 1.923, memory: 0.5, parameters: 0.4567 }
const measured = {
  kl: 0.11,
  perplexity: 5,
  accuracy: 0.9,
  throughput: 1000,
  reaches: 1.9,
  interval: [1.8, 2],
  met: 'yes' as const,
  ratios: { ...ratios, throughput: 1.9, accuracy: 0.987 },
  throughputInterval: [1.8, 2],
}
const predicted = {
  value: 1.5,
  limit: 'throughput >= 1.5x of the parent',
  status: 'optimal',
  solutionDigest: 'a',
  predicted: { kl: 0.1, reaches: 1.923, ratios },
} as const
const curve: Curve = {
  swept: { name: 'throughput', bound: 'min', unit: 'parent' },
  otherLimits: ['memory <= 0.8x of the parent'],
  comparedBy: 'measurement',
  complete: true,
  points: [
    { ...predicted, dominated: true, measured },
    {
      value: 2,
      limit: 'throughput >= 2x of the parent',
      status: 'feasible',
      solutionDigest: 'b',
      dominated: false,
      predicted: { kl: 0.2, reaches: 2.1, ratios: { ...ratios, throughput: 2.1 } },
      measured: { ...measured, kl: 0.09, reaches: 1.95, met: 'open' },
    },
    { value: 4, limit: 'throughput >= 4x of the parent', status: 'infeasible', reason: 'over by 5 %, "all in all"' },
  ],
}

test('the page has the table, the plot and the reasons', () => {
  expect(curvePage(curve)).toMatchInlineSnapshot(`
    "# Quality against throughput

    All points: memory <= 0.8x of the parent.

    | limit | KL, predicted | throughput, predicted | memory | parameters | KL, measured | accuracy | throughput, measured | limit met |  |
    |---|---:|---:|---:|---:|---:|---:|---:|---:|---|
    | throughput >= 1.5x of the parent | 0.1 | 1.923x | 50 % | 45.7 % | 0.11 | 98.7 % | 1.9x (1.8 to 2) | yes | dominated |
    | throughput >= 2x of the parent | 0.2 | 2.1x | 50 % | 45.7 % | 0.09 | 98.7 % | 1.9x (1.8 to 2) | open | not proven to be the best |

    Throughput, memory, parameters and accuracy are multiples and shares of the parent’s. KL: between parent and child, before uptraining, in nats per token.
    Measured on validation data; a limit on time is met if the whole confidence interval meets it, and open if the interval contains it.
    Dominated: another child loses no more and reaches at least as much, by measurement.

    \`\`\`text
    KL, measured (● on the curve, · dominated)
      0.11 ┤·
           │
           │
           │
           │
     0.103 ┤
           │
           │
           │
           │
    0.0967 ┤
           │
           │
           │
           │
      0.09 ┤                                                           ●
           └────────────────────────────────────────────────────────────
            1.9                                                     1.95
            throughput, multiple of the parent’s, measured
    \`\`\`

    ## Infeasible

    - throughput >= 4x of the parent: over by 5 %, "all in all"
    "
  `)
})

test('a page of predictions says nothing about measurements, and how far it has come', () => {
  const last = curve.points.at(-1)!
  const page = curvePage({
    ...curve,
    comparedBy: 'prediction',
    complete: false,
    otherLimits: [],
    points: [{ ...predicted, sameAs: 1.2, dominated: false }, last, { value: 5, limit: 'x', status: 'open' }],
  })
  expect(page).toContain('Not complete: 1 of 3 points are not solved yet.')
  expect(page).toContain('| the child of 1.2 |')
  expect(page).not.toMatch(/measured|Dominated/)
})

test('the table has a line for each point, and quotes what has commas or quotes', () => {
  const lines = curveTable(curve).trimEnd().split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[0]).toMatch(/^limit,value,status,kl_predicted,.*,solution,reason$/)
  expect(lines[1]).toBe(
    'throughput >= 1.5x of the parent,1.5,optimal,0.1,1.923,1.923,0.5,0.4567,0.11,1.9,1000,1.9,1.8,2,5,0.9,0.987,yes,true,,a,',
  )
  expect(lines[3]).toBe('throughput >= 4x of the parent,4,infeasible,,,,,,,,,,,,,,,,,,,"over by 5 %, ""all in all"""')
  const columns = lines[0]!.split(',').length
  expect([lines[1], lines[2]].map((line) => line!.split(',').length)).toEqual([columns, columns])
})

test('a plot has its points where they belong', () => {
  const lines = plot(
    [
      { x: 1, y: 0, mark: 'a' },
      { x: 3, y: 2, mark: 'b' },
      { x: 2, y: 1, mark: 'c' },
      { x: 2, y: 1, mark: 'd' },
    ],
    { x: 'speed', y: 'loss' },
  )
  const rows = lines.slice(1, 17)
  expect([rows[0]!.at(-1), rows[15]!.slice(-1)]).toEqual(['b', 'a'])
  expect(rows.filter((row) => row.includes('c'))).toHaveLength(1)
  expect(lines.join()).not.toContain('d,')
  expect(lines.at(-2)!.trim()).toMatch(/^1 +3$/)
  expect(plot([], { x: '', y: '' })).toEqual([])
  // A single point has a place, too.
  expect(plot([{ x: 0, y: 5, mark: 'e' }], { x: '', y: '' }).join()).toContain('e')
})

test('where the search has chosen the batches, the page and the table say which', () => {
  const [first, second] = curve.points
  const chosen: Curve = { ...curve, points: [{ ...first!, batches: { child: 16, parent: 8 } }, second!] }
  expect(curvePage(chosen)).toMatch(/\| batch 16, parent 8, dominated \|\n/)
  const rows = curveTable(chosen).trim().split('\n')
  expect(rows.map((row) => row.split(',').slice(-2).join())).toEqual(['batch,parent_batch', '16,8', ','])
  expect(curveTable(curve).split('\n')[0]).not.toContain('batch')
})
