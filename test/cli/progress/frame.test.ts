import pc from 'picocolors'
import stringWidth from 'string-width'
import { beforeEach, expect, test, vi } from 'vitest'
import { frame, type Canvas } from '../../../cli/progress/frame.js'
import { halfWay, now, sighting, stage, task } from './sightings.js'

beforeEach(() => {
  // Commands are typed as users of npx type them.
  vi.stubEnv('npm_command', 'exec')
  return () => vi.unstubAllEnvs()
})

const canvas = (columns: number, rows = 40, more: Partial<Canvas> = {}): Canvas => ({
  columns,
  rows,
  now,
  colours: pc.createColors(false),
  unicode: false,
  ...more,
})

const tasks = [
  task('distill/layer03/ffn/swiglu-256', { said: { fraction: 0.25, text: 'step 60 of 240, loss 0.31' }, seconds: 60 }),
  task('distill/layer03/ffn/swiglu-128', { said: { fraction: 0.001, text: 'step 1 of 240, loss 0.9' }, seconds: 2 }),
  task('distill/layer04/ffn/swiglu-128', { atWork: false }),
]

test('stages, what they do now, rates and times stand below each other', () => {
  expect(frame(sighting(halfWay, tasks), canvas(100))).toEqual([
    'tiny  ##########--------------  43 %  2 of 5 stages  2:10',
    'prepare  done         1/1  1 reused',
    'profile  done       24/24',
    'distill  running  120/288  35 reused  56/min  about 3 min left',
    '  layer03/ffn/swiglu-256  25 %  about 3 min left  step 60 of 240, loss 0.31',
    '  layer03/ffn/swiglu-128   0 %                    step 1 of 240, loss 0.9',
    '2 waiting: score, solve',
    '2 at work, 1 queued, at most 32 per stage. Ctrl-C leaves the run going.',
  ])
})

test.each([60, 80, 120, 200])(
  'no line is wider than a terminal of %i columns, whatever characters it has',
  (columns) => {
    const wide = [
      task(`distill/${'層'.repeat(120)}`, { said: { fraction: 0.5, text: '損失'.repeat(60) }, seconds: 60 }),
    ]
    for (const colours of [pc.createColors(false), pc.createColors(true)]) {
      const lines = frame(sighting(halfWay, [...tasks, ...wide]), canvas(columns, 40, { colours, unicode: true }))
      expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThan(columns)
      expect(lines.join('\n')).toContain('about 3 min left')
    }
  },
)

test('the bar is shorter where lines are, so that the time that is left is seen in 80 columns', () => {
  const head = (columns: number, run = 'quickstart') =>
    frame({ ...sighting(), run, left: { seconds: 4000, atLeast: true } }, canvas(columns))[0]
  expect(head(100)).toBe('quickstart  ##########--------------  43 %  2 of 5 stages  2:10  at least 67 min left')
  expect(head(80)).toBe('quickstart  #######---------  43 %  2 of 5 stages  2:10  at least 67 min left')
  expect(head(70)).toBe('quickstart  ###-----  43 %  2 of 5 stages  2:10  at least 67 min left')
  expect(head(62)).toBe('quickstart  43 %  2 of 5 stages  2:10  at least 67 min left')
})

test('rates go first where lines are short, then what was reused', () => {
  const row = (columns: number) => frame(sighting(), canvas(columns)).find((line) => line.startsWith('distill'))
  expect(row(60)).toBe('distill  running  120/288  35 reused  about 3 min left')
  expect(row(50)).toBe('distill  running  120/288  about 3 min left')
})

test('of many stages, those that are done are folded where rows are few', () => {
  const many = Array.from({ length: 30 }, (_, i) => stage(`s${i}`, { state: 'done', done: 1, total: 1 }))
  const lines = frame(sighting([...many, ...halfWay], tasks), canvas(80, 12))
  expect(lines.length).toBeLessThanOrEqual(10)
  expect(lines[1]).toMatch(/^32 done: s0, s1, .*…$/)
  expect(lines.some((line) => line.startsWith('distill  running'))).toBe(true)
  expect(frame(sighting([...many, ...halfWay], tasks), canvas(80, 4)).length).toBeLessThanOrEqual(2)
})

test('a stage of one task is as far as its task says', () => {
  const uptrain = stage('uptrain', { state: 'running', total: 1 })
  const one = [task('uptrain', { said: { fraction: 0.5, text: 'step 500 of 1000, KL 0.01' }, seconds: 600 })]
  expect(frame(sighting([uptrain], one), canvas(100)).slice(1, 3)).toEqual([
    'uptrain  running  0/1  about 10 min left',
    '  50 %  about 10 min left  step 500 of 1000, KL 0.01',
  ])
})

test('a gate is shown with its question and the command to type', () => {
  const gate = stage('check', { state: 'asking', question: 'Go on? kl: 0.1.' })
  expect(frame(sighting([gate]), canvas(100)).slice(1)).toEqual([
    'check  asking',
    '  Go on? kl: 0.1. Answer: npx puzzleflow approve tiny check',
  ])
})

test('so is a task that waits for a decision, and one that failed and is tried again', () => {
  const failing = stage('distill', {
    ...{ state: 'running', total: 3, partial: true, waiting: ['a'] },
    trouble: { message: 'It does not converge', remedy: 'Lower the rate.' },
  })
  const again = [task('distill/b', { attempt: 2, failure: 'no memory', atWork: false })]
  expect(frame(sighting([failing], again), canvas(120)).slice(2, 5)).toEqual([
    '  distill/b failed, attempt 2 follows: no memory',
    '  It does not converge. Remedy: Lower the rate.',
    '  waits for: npx puzzleflow retry tiny distill/a or npx puzzleflow skip tiny distill/a',
  ])
})

test('of a task that failed and is at work again, it is not said that an attempt follows', () => {
  const said = { fraction: 0.5, text: 'step 2 of 4' }
  const again = [task('distill/b', { attempt: 2, failure: 'activity Heartbeat timeout', said })]
  expect(frame(sighting(halfWay, again), canvas(120)).slice(4, 6)).toEqual([
    '  b  50 %  step 2 of 4',
    '  distill/b failed, attempt 2 is at work: activity Heartbeat timeout',
  ])
})

test('a paused run says so, and how to go on', () => {
  const lines = frame(sighting(halfWay, [], { paused: true }), canvas(100))
  expect(lines[0]).toContain('tiny  PAUSED')
  expect(lines).toContain('distill  paused  120/288  35 reused')
  expect(lines.at(-1)).toBe('Continue with npx puzzleflow resume tiny')
})

test('what tasks say stays on its line, and does not command the terminal', () => {
  const said = { fraction: 0.5, text: 'step 1\n\u001b[2Jgone' }
  const failing = task('distill/b', { attempt: 2, failure: 'first\nsecond\u001b[31m', atWork: false })
  const lines = frame(sighting(halfWay, [task('distill/a', { said }), failing]), canvas(120))
  expect(lines).toContain('  a  50 %  step 1 \\x1b[2Jgone')
  expect(lines).toContain('  distill/b failed, attempt 2 follows: first second\\x1b[31m')
})

test('before a worker answers the time goes on', () => {
  const unseen = { ...sighting(), progress: undefined }
  expect(frame(unseen, canvas(80))).toEqual(['tiny  waiting for a worker to answer, 2:10'])
})
