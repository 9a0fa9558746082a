import type { ReportData } from '../../report/html/report-data.js'

interface Shape {
  readonly layers?: number
  /** Variants of each slot. */
  readonly variants?: number
  /** Stands for every text that comes from outside. */
  readonly text?: string
}

/** A search's report with everything that a page can show. */
export function searchReport({ layers = 4, variants = 3, text = 'a text' }: Shape = {}): ReportData {
  const names = ['parent', ...Array.from({ length: variants }, (_, i) => `variant-${i + 1}`)]
  const variant = (layer: number) => names[layer % names.length]!
  const model = (throughput: number, accuracy: number, kl: number) => ({
    throughput: { predicted: throughput * 1.02, measured: throughput },
    prefill: { predicted: 0.1, measured: 10 / throughput },
    tokenLatency: { predicted: 0.01, measured: 1 / throughput },
    accuracy,
    tasks: { [text]: accuracy },
    metrics: { [text]: { acc: { value: accuracy, stderr: 0.01 } } },
    perplexity: 3 + kl,
    kl,
    parameters: 400_000 / (throughput / 100),
    memoryBytes: 1000,
  })
  const scores = Array.from({ length: layers }, (_, layer) =>
    (['attention', 'ffn'] as const).flatMap((slot) =>
      names.slice(1).map((name, i) => ({
        layer,
        slot,
        attention: slot === 'attention' ? name : 'parent',
        ffn: slot === 'ffn' ? name : 'parent',
        kl: 0.01 * (1 + i) * (1 + (layer % 5)),
        kl_before_distillation: i === 0 ? null : 0.05 * (1 + i) * (1 + (layer % 5)),
      })),
    ),
  ).flat()
  const seconds = Object.fromEntries(names.map((name, i) => [name, 0.01 / (1 + i)]))
  const parent = model(100, 0.8, 0)
  const child = model(217.5, 0.79, 0.0123456)
  return {
    result: {
      run: text,
      specDigest: 'f'.repeat(64),
      verdict: 'no acceptable child',
      reasons: [text],
      wouldTake: [text],
      parent,
      child: {
        ...child,
        layers: Array.from({ length: layers }, (_, layer) => ({ attention: variant(layer), ffn: variant(layer + 1) })),
        runs: [{ layer: 0, span: 2, run: text }],
      },
      beforeUptraining: model(217.5, 0.4, 0.5),
      predictedKl: 0.1,
      refined: { evaluations: 48, before: 0.5, after: 0.4 },
      ratios: { throughput: 2.175, prefill: 0.46, tokenLatency: 0.46, accuracy: 0.9875, memory: 0.5, parameters: 0.46 },
      limits: [
        { limit: 'throughput >= 2.17x of the parent', held: true, value: 2.175, interval: [2.171, 2.19] },
        { limit: 'memory <= 0.4x of the parent', held: false, value: 0.5 },
      ],
      quality: {
        accuracy: { held: true, value: 0.9875, wanted: 0.98 },
        perplexity: { held: true, value: 1.0041152, wanted: 1.1 },
        kl: { held: false, value: 0.0123456, wanted: 0.01 },
      },
      base: { layers: Array.from({ length: layers }, () => ({ attention: 'parent', ffn: variant(1) })) },
      timing: { child: [1, 1.1, 1.05], sessions: 2, error: 0.025 },
      calibration: { children: 3, after: { largest: 0.031 } },
      profile: { load: 0.5 },
      attempts: [{ action: 'train on', because: [text], tokens: 500, kl: 0.02, throughput: 2.1, accuracy: 0.97 }],
      paired: {
        [text]: {
          items: 100,
          differences: { acc: { value: -0.01, stderr: 0.004 } },
          outcomes: {
            metric: 'acc',
            both: 78,
            neither: 19,
            parentOnly: 2,
            childOnly: 1,
            losses: [{ item: 4, prompt: text, expected: text, parent: text, child: text }],
            wins: [{ item: 9, prompt: text, expected: text }],
          },
        },
      },
      measuredOn: 'test',
      solutions: [1, 2, 3].map((n) => ({
        objective: 0.1 * n,
        predicted: { throughput: 230 + n },
        measured: { kl: 0.4 + 0.1 * n, throughput: { measured: 215 + n } },
        ratios: { throughput: 2.1 + 0.05 * n },
      })),
      solver: {
        ...{ status: 'optimal', objective: 0.1, bound: 0.1, gap: 1e-9 },
        secondOpinion: { verdict: 'agrees', engine: 'glpk' },
      },
      baselines: { greedy: { objective: 0.3, feasible: true }, homogeneous: { objective: null, feasible: false } },
      leftOut: [{ task: text, reason: text }],
      warnings: [text],
    },
    startedAt: '2026-01-01T10:00:00.000Z',
    finishedAt: '2026-01-01T10:06:40.000Z',
    spec: `name: ${text}\n`,
    command: `puzzleflow run ${text}`,
    versions: { puzzleflow: '0.1.0', onnxruntime: '1.30.0' },
    machine: { processor: text, cores: 2 },
    scores,
    costs: { attention: seconds, ffn: seconds },
    training: Array.from({ length: 40 }, (_, step) => ({ step, loss: 1 / (step + 1), kl: 0.5 / (step + 1) })),
    texts: {
      prompts: [{ prompt: text, parent: 'one two three', child: 'one two four' }],
      continuations: [
        { prompt: text, actual: text, parent: text, child: text },
        ...Array.from({ length: 5 }, () => ({
          ...{ prompt: text, actual: 'one two three', parent: 'one two three', child: `one four ${text}` },
        })),
      ],
      tasks: {
        [text]: {
          losses: [{ item: 4, prompt: `a longer text: ${text}`, expected: text, parent: text, child: text }],
          wins: [{ item: 9, prompt: text, expected: text, parent: 'said by the parent', child: 'said by the child' }],
        },
      },
    },
    firstRound: {
      solver: { status: 'feasible', objective: 0.05, bound: 0.04, gap: 0.2 },
      refined: { evaluations: 12, before: 0.2, after: 0.15 },
      scores,
      training: Array.from({ length: 10 }, (_, step) => ({ step, loss: 1, kl: 0.3 / (step + 1) })),
    },
    stages: [
      { stage: 'distill', seconds: 60, tasks: 24 },
      { stage: text, seconds: 3700, tasks: 1 },
      { stage: 'improve', seconds: 0, tasks: 1 },
    ],
  }
}
