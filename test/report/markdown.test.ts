import { describe, expect, test } from 'vitest'
import { markdown, type Result } from '../../report/markdown.js'

const result: Result = {
  verdict: 'accepted',
  reasons: [],
  parent: {
    throughput: { predicted: 110, measured: 100 },
    accuracy: 0.8,
    tasks: { add: 0.8, copy: 0 },
    perplexity: 3,
    kl: 0,
    parameters: 400,
    memoryBytes: 1000,
  },
  child: {
    throughput: { predicted: 190, measured: 201.23456 },
    accuracy: 0.79,
    tasks: { add: 0.76, copy: 0.5 },
    perplexity: 3.06,
    kl: 0.0123456,
    parameters: 200,
    memoryBytes: 500,
    layers: [
      { attention: 'parent', ffn: 'swiglu-16' },
      { attention: 'no-op', ffn: 'parent' },
    ],
  },
  ratios: { throughput: 2.0123456, accuracy: 0.9875, memory: 0.5, parameters: 0.5 },
  limits: [
    { limit: 'throughput >= 1.7x of the parent', held: true, value: 2.0123456 },
    { limit: 'memory <= 0.4x of the parent', held: false, value: 0.5 },
  ],
  solver: { status: 'optimal', objective: 0.01, bound: 0.00999, gap: 0.001 },
  baselines: { greedy: { objective: 0.02, feasible: true }, homogeneous: { objective: null, feasible: false } },
}

test('a result is a page with the verdict, the comparison, limits, layers and the search', () => {
  expect(markdown(result)).toBe(`# A child was found

| | parent | child | ratio |
|---|---:|---:|---:|
| throughput, tokens/s (both measured in the same run) | 100 | 201.2 | 2.012 |
| throughput, tokens/s (predicted) | 110 | 190 | – |
| mean task accuracy | 0.8 | 0.79 | 0.9875 |
| task add | 0.8 | 0.76 | 0.95 |
| task copy | 0 | 0.5 | – |
| perplexity | 3 | 3.06 | 1.02 |
| KL(parent ‖ child), nats per token | 0 | 0.01235 | – |
| parameters | 400 | 200 | 0.5 |
| memory in the scenario, bytes | 1000 | 500 | 0.5 |

## Limits

- met: throughput >= 1.7x of the parent (actual: 2.012)
- NOT met: memory <= 0.4x of the parent (actual: 0.5)

## Layers

| layer | attention | ffn |
|---:|---|---|
| 0 | parent | swiglu-16 |
| 1 | no-op | parent |

## Search

Solver: optimal, KL 0.01 (bound 0.00999, gap 0.001).

| method | predicted KL |
|---|---:|
| mixed-integer programming | 0.01 |
| greedy | 0.02 |
| homogeneous | no feasible choice |
`)
})

test('runs of layers are named beside the layers that they replace', () => {
  const layers = [
    { attention: 'parent', ffn: 'swiglu-80' },
    { attention: 'no-op', ffn: 'no-op' },
    { attention: 'parent', ffn: 'parent' },
    { attention: 'no-op', ffn: 'no-op' },
  ]
  const runs = [
    { layer: 0, span: 2, run: 'fuse-ffn-2' },
    { layer: 3, span: 1, run: 'drop-1' },
  ]
  expect(markdown({ ...result, child: { ...result.child, layers, runs } })).toContain(`
| layer | attention | ffn | run of layers |
|---:|---|---|---|
| 0 | parent | swiglu-80 | fuse-ffn-2, layers 0 to 1 |
| 1 | no-op | no-op | fuse-ffn-2, layers 0 to 1 |
| 2 | parent | parent |  |
| 3 | no-op | no-op | drop-1, layer 3 |

## Search
`)
})

test('removals that were added up are told with what they do together', () => {
  const removals = [
    { layer: 1, span: 2, run: 'drop-2' },
    { layer: 4, span: 1, run: 'no-op+no-op' },
  ]
  const told = { ...result, addedUpRemovals: removals, predictedKl: 0.02 }
  const sentence = (rest: string) =>
    `Several removals of layers (drop-2, layers 1 to 2; no-op+no-op, layer 4) were chosen by adding up their individual scores, but together they can do much more damage: the predicted KL of this child is 0.02, ${rest}.`
  expect(markdown(told)).toContain(sentence('the measured KL 0.01235'))
  const before = { ...result.child, kl: 0.3 }
  expect(markdown({ ...told, beforeUptraining: before })).toContain(sentence('the measured KL 0.3 before uptraining'))
  expect(markdown(result)).not.toContain('removals')
})

test('where single layers were removed one after the other, the page has the order and what it does', () => {
  const evidence = [
    { removed: 1, measured: 0.1, additive: 0.1 },
    { removed: 2, measured: 0.42, additive: 0.25 },
  ]
  expect(markdown({ ...result, depth: { removed: [5, 2], evidence } })).toContain(`
## Removing single layers

Layers were removed one by one, each time the one whose removal changed the predictions least.

| removed layers | measured KL | sum of individual KLs |
|---|---:|---:|
| 5 | 0.1 | 0.1 |
| 5, 2 | 0.42 | 0.25 |

## Search
`)
})

test('a child that is not acceptable says why', () => {
  const page = markdown({
    ...result,
    verdict: 'no acceptable child',
    reasons: ['quality 0.9 is below 0.97', 'too slow'],
  })
  expect(page.split('\n').slice(0, 6)).toEqual([
    '# No acceptable child was found',
    '',
    '- quality 0.9 is below 0.97',
    '- too slow',
    '',
    '| | parent | child | ratio |',
  ])
})

test('without limits and tasks there are no lines for them', () => {
  const none = { accuracy: null, tasks: {} }
  const page = markdown({
    ...result,
    parent: { ...result.parent, ...none },
    child: { ...result.child, ...none },
    ratios: { ...result.ratios, accuracy: null },
    limits: [],
  })
  expect(page).toContain('| mean task accuracy | – | – | – |\n| perplexity |')
  expect(page).toContain('\n## Limits\n\nNone.\n\n## Layers\n')
})

test('times to the first token and between tokens are on the page where they were measured', () => {
  const time = (measured: number) => ({ predicted: 1, measured })
  const page = markdown({
    ...result,
    parent: { ...result.parent, prefill: time(0.4), tokenLatency: time(0.02) },
    child: { ...result.child, prefill: time(0.2), tokenLatency: time(0.015) },
    ratios: { ...result.ratios, prefill: 0.5, tokenLatency: 0.75 },
  })
  expect(page).toContain(
    '| time to the first token, s | 0.4 | 0.2 | 0.5 |\n| time per generated token, s | 0.02 | 0.015 | 0.75 |\n| mean task accuracy',
  )
})

test('how far predictions can be trusted is on the page', () => {
  const calibration = { children: 4, after: { largest: 0.01234 } }
  expect(markdown({ ...result, calibration })).toContain(
    'Predictions were calibrated on the parent and 4 random children: the predicted ratio of their throughputs is within 1.234 % of the measured one.\n',
  )
  expect(markdown(result)).not.toContain('calibrated')
})

test('intervals of limits on time, and how they were measured, are on the page', () => {
  const limits = [{ limit: 'latency <= 2 seconds', held: true, value: 1.5, interval: [1.45678, 1.61234] as const }]
  const timing = { child: Array<number>(36).fill(1), sessions: 2, error: 0.00625 }
  expect(markdown({ ...result, limits, timing })).toContain(`## Limits

- met: latency <= 2 seconds (actual: 1.5, 1.457 to 1.612)

Parent and child ran the scenario in turn, 36 times each in 2 sessions; all of these passes count. The ratio of throughputs is the median over the pairs; the intervals have 98.75 % confidence.

## Layers
`)
})

test('a child that is not accepted comes with what would accept it, and with what was tried', () => {
  const attempts = [
    {
      action: 'train on',
      because: ['quality 0.97 is below 0.98'],
      tokens: 500,
      kl: 0.01,
      throughput: 2,
      accuracy: 0.975,
    },
  ]
  const reasons = ['quality 0.975 is below 0.98']
  const page = markdown({
    ...result,
    verdict: 'no acceptable child',
    reasons,
    wouldTake: ['quality >= 97.5 %'],
    attempts,
  })
  expect(page).toContain(`# No acceptable child was found

- quality 0.975 is below 0.98

This is the nearest child. It would be accepted with quality >= 97.5 %.

|`)
  expect(page).toContain(`## Further attempts

| because | action | tokens | KL | throughput | accuracy |
|---|---|---:|---:|---:|---:|
| quality 0.97 is below 0.98 | train on | 500 | 0.01 | 2 | 0.975 |

## Layers
`)
})

describe('tasks', () => {
  const metric = (value: number, stderr: number | null = 0.02) => ({ acc: { value, stderr } })
  const outcomes = {
    metric: 'acc',
    both: 70,
    neither: 19,
    parentOnly: 7,
    childOnly: 4,
    losses: Array.from({ length: 7 }, (_, item) => ({ item, prompt: `2 + ${item} =`, expected: '4', child: 'a `b`' })),
    wins: [{ item: 9, prompt: 'a\nb', expected: 'c' }],
  }
  const told: Result = {
    ...result,
    parent: { ...result.parent, metrics: { add: metric(0.77) } },
    child: { ...result.child, metrics: { add: metric(0.74, null) } },
    paired: { add: { items: 100, differences: metric(-0.03, 0.033), outcomes } },
    measuredOn: 'test',
    splits: { text: 'given', tasks: { add: 'content' } },
  }

  test('are shown with standard errors, and with items that only one answers right', () => {
    expect(markdown(told)).toContain(`
## Tasks

With standard errors. The difference is child minus parent on the same items, so its error is smaller than theirs.

| task | metric | items | parent | child | difference | only the parent right | only the child right |
|---|---|---:|---:|---:|---:|---:|---:|
| add | acc | 100 | 0.77 ± 0.02 | 0.74 | -0.03 ± 0.033 | 7 | 4 |

Accuracy, perplexity and KL are for the test split, which the search has not seen.

Lost items of add (5 of 7):

- 0: \`2 + 0 =\` → \`4\`; the child \`\` a \`b\` \`\`
- 1: \`2 + 1 =\` → \`4\`; the child \`\` a \`b\` \`\`
- 2: \`2 + 2 =\` → \`4\`; the child \`\` a \`b\` \`\`
- 3: \`2 + 3 =\` → \`4\`; the child \`\` a \`b\` \`\`
- 4: \`2 + 4 =\` → \`4\`; the child \`\` a \`b\` \`\`

Won items of add:

- 9: \`a\\nb\` → \`c\`

## Limits
`)
  })

  test.each([
    [
      { measuredOn: 'validation' as const },
      'These figures are for the validation split, by which the search has chosen: no stage measured the test split.',
    ],
    [
      { splits: { text: 'same' as const, tasks: { add: 'same' as const } } },
      'Measured on what the search has seen, because there was too little to divide: text (KL, perplexity), task add. The rest is for the test split.',
    ],
  ])('say what the search has seen: %j', (changes, sentence) => {
    expect(markdown({ ...told, ...changes })).toContain(`\n${sentence}\n`)
  })
})

describe('where the search has chosen the batch', () => {
  const considered = [
    { batch: 8, objective: 0.0456789, throughput: 1234.5678, memoryBytes: 4000 },
    { batch: 16, objective: 0.01, throughput: 2000, memoryBytes: 7000 },
    { batch: 32, reason: 'memory <= 8000 bytes cannot be met' },
  ]

  test('the page says at which ones child and parent run, and what each would have given', () => {
    const page = markdown({ ...result, batches: { child: 16, parent: 8, parentFits: true, considered } })
    expect(page).toContain(`
## Batches

The child serves 16 sequences at once, the parent 8 sequences: each at its best batch, as predicted.

| batch | predicted KL | throughput, tokens/s (predicted) | memory, bytes |
|---|---:|---:|---:|
| 8 | 0.04568 | 1235 | 4000 |
| 16, chosen | 0.01 | 2000 | 7000 |

- batch 32: memory <= 8000 bytes cannot be met

## Limits
`)
    expect(markdown(result)).not.toContain('Batches')
  })

  test('a parent that fits at none is told', () => {
    const batches = { child: 16, parent: 16, parentFits: false, considered: considered.slice(0, 2) }
    expect(markdown({ ...result, batches })).toContain(
      `The child serves 16 sequences at once, the parent as many: each at its best batch, as predicted.
The parent meets the memory limit at no batch: the parent that the child is compared with does not fit where the child does.
`,
    )
  })
})

describe('texts from outside', () => {
  const markup = '![x](http://a.example) <script>hit()</script> | **b**\n# title'
  const hostile: Result = {
    ...result,
    reasons: [markup],
    wouldTake: [markup],
    warnings: [markup],
    parent: {
      ...result.parent,
      tasks: { [markup]: 0.8 },
      metrics: { [markup]: { [markup]: { value: 1, stderr: 1 } } },
    },
    child: {
      ...result.child,
      tasks: { [markup]: 0.8 },
      metrics: { [markup]: { [markup]: { value: 1, stderr: 1 } } },
      layers: [{ attention: markup, ffn: markup }],
      runs: [{ layer: 0, span: 1, run: markup }],
    },
    limits: [{ limit: markup, held: false, value: 1 }],
    leftOut: [{ task: markup, reason: markup }],
    attempts: [{ action: markup, because: [markup], tokens: 1, kl: 1, throughput: 1, accuracy: null }],
    measuredOn: 'test',
    splits: { text: 'content', tasks: { [markup]: 'same' } },
    paired: {
      [markup]: {
        items: 1,
        differences: { [markup]: { value: 0, stderr: 0 } },
        outcomes: {
          ...{ metric: markup, both: 0, neither: 0, parentOnly: 1, childOnly: 0 },
          losses: [{ item: 1, prompt: markup, expected: markup, parent: markup, child: markup }],
          wins: [],
        },
      },
    },
    batches: {
      ...{ child: 1, parent: 1, parentFits: true },
      considered: [{ batch: 1, reason: markup }],
    },
  }

  test('are no markup on the page: no line of their own, no cell, no tag and no link', () => {
    const lines = markdown(hostile).split('\n')
    // The texts of items are code, whose contents mean nothing.
    const plain = lines.map((line) => line.replace(/`[^`]*`/g, 'code'))
    expect(plain.filter((line) => /(?<!\\)<[a-z/]|(?<!\\)\]\(|(?<!\\):\/\/|(?<!\\)\*\*/.test(line))).toEqual([])
    expect(lines.filter((line) => line.startsWith('# '))).toEqual(['# A child was found'])
    const cells = (line: string) => line.replaceAll('\\|', '').split('|').length
    for (const [i, line] of lines.entries())
      if (line.startsWith('|') && lines[i - 1]?.startsWith('|')) expect(cells(line), line).toBe(cells(lines[i - 1]!))
  })
})
