import { expect, test } from 'vitest'
import { runTable, tabbed } from '../../cli/run-table.js'
import type { RunState } from '../../cli/run-state.js'
import { scoreLines, scoreTable, type ScoredRow } from '../../cli/score-table.js'

const run = (more: Partial<RunState>): RunState => ({
  ...{ run: 'tiny', name: 'tiny', state: 'COMPLETED', specDigest: 'd' },
  startedAt: '2026-11-30T10:00:00',
  ...more,
})
const runs = [
  run({ verdict: 'accepted', ratios: { throughput: 2.534, accuracy: 0.9972 }, finishedAt: '2026-11-30T10:07:06' }),
  run({
    ...{ run: 'missed', verdict: 'no acceptable child', ratios: { throughput: 1.2 } },
    outcome: { ok: false, status: 'no child', text: 'No child meets the limits.' },
  }),
  run({
    ...{ run: 'going', state: 'RUNNING' },
    progress: { stages: [], fraction: 0.432, paused: false, concurrency: 32 },
  }),
]
const now = Date.parse('2026-11-30T11:02:03')

test('runs are listed with what came of them, and a search without a child is not as one that is done', () => {
  expect(runTable(runs, 120, now)).toEqual([
    'run     state      done  verdict              throughput  quality     time  started',
    'tiny    COMPLETED        accepted                  2.53x   99.7 %     7:06  2026-11-30 10:00',
    'missed  NO CHILD         no acceptable child       1.20x                    2026-11-30 10:00',
    'going   RUNNING    43 %                                            1:02:03  2026-11-30 10:00',
  ])
})

test('where lines are short, times go before verdicts', () => {
  expect(runTable(runs, 80, now)[0]).toBe('run     state      done  verdict              throughput  quality     time')
  expect(runTable(runs, 66, now)[0]).toBe('run     state      done  verdict              throughput  quality')
})

test('programs get words apart by tabs', () => {
  expect(runs.map(tabbed)).toEqual([
    'tiny\tCOMPLETED\t2026-11-30T10:00:00',
    'missed\tNO CHILD\t2026-11-30T10:00:00',
    'going\tRUNNING\t43 %\t2026-11-30T10:00:00',
  ])
})

const cost = { prefillSeconds: 0.01234, decodeSeconds: 1.5, memoryBytes: 12_345_678, parameters: 1_340_000 }
const free = { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 }
const row = (more: Partial<ScoredRow>): ScoredRow => ({
  ...{ layer: 0, slot: 'ffn', attention: 'parent', ffn: 'swiglu-32', kl: 0.0123456, kl_before_distillation: 0.5 },
  ...{ lossDelta: 0.01, top1: 0.987, nmse: 0.002, costs: { attention: cost, ffn: cost } },
  ...more,
})
const rows = [
  row({}),
  row({
    slot: 'block',
    attention: 'no-op',
    ffn: 'no-op',
    kl_before_distillation: null,
    costs: { attention: free, ffn: cost },
  }),
  row({ slot: 'block', run: 'keep-last-2', span: 2 }),
]

test('scores have the costs of what was put into the layer', () => {
  expect(scoreTable({ rows, objective: undefined }, 200)).toEqual([
    'layer  slot   variant                    KL  untrained  loss   top-1   nMSE  parameters   memory  prefill  decode',
    '    0  ffn    swiglu-32              0.0123        0.5  0.01  98.7 %  0.002      1.34 M  12.3 MB  12.3 ms  1.50 s',
    '    0  block  no-op + no-op          0.0123             0.01  98.7 %  0.002      1.34 M  12.3 MB  12.3 ms  1.50 s',
    '    0  block  keep-last-2, 2 layers  0.0123        0.5  0.01  98.7 %  0.002',
  ])
  const short = scoreTable({ rows, objective: undefined }, 80)
  expect(short[0]).toMatch(/^layer +slot +variant +KL .*memory +prefill +decode$/)
  expect(short[0]).not.toContain('nMSE')
})

test('programs get them with a header, costs last', () => {
  expect(scoreLines({ rows: rows.slice(0, 2), objective: undefined }, ',')).toEqual([
    'layer,slot,attention,ffn,kl,kl_before_distillation,lossDelta,top1,nmse,run,span,parameters,memoryBytes,prefillSeconds,decodeSeconds',
    '0,ffn,parent,swiglu-32,0.012346,0.5,0.01,0.987,0.002,,,1340000,12345678,0.01234,1.5',
    '0,block,no-op,no-op,0.012346,,0.01,0.987,0.002,,,1340000,12345678,0.01234,1.5',
  ])
})

test('an objective other than the KL has a column of its own', () => {
  const objective = { name: 'accuracy', direction: 'maximise', parent: 1 } as never
  const judged = [row({ judged: { degradation: 0.25 } as never })]
  expect(scoreLines({ rows: judged, objective }, '\t')[0]).toContain('\tnmse\tdegradation\trun\t')
  expect(scoreTable({ rows: judged, objective }, 200)[1]).toMatch(/swiglu-32 +0\.25 +0\.0123/)
})
