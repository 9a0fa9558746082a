import type { LiveData } from '../../report/html/live.js'
import { searchReport } from './search-report.js'

const { scores, training } = searchReport({ text: 'a text' })

/** A search in the midst of its uptraining. */
export const liveData = (text = 'a text'): LiveData => ({
  ...{ run: text, specDigest: 'f'.repeat(64), startedAt: '2026-01-01T10:00:00.000Z' },
  progress: {
    ...{ fraction: 0.426, paused: false },
    stages: [
      { stage: 'distill', state: 'done', done: 24, total: 24, reused: 3, notes: [] },
      { stage: 'uptrain', state: 'running', done: 0, total: 1, reused: 0, secondsLeft: 75, notes: [text] },
      { stage: 'report', state: 'waiting', done: 0, total: 0, reused: 0, notes: [] },
    ],
  },
  ...(scores && { scores }),
  ...(training && { training }),
  solver: { status: 'optimal', objective: 0.1, bound: 0.1, gap: 1e-9 },
  candidates: [{ name: 'solution-1', throughput: 2.3, kl: 0.5, accuracy: 0.4 }],
  stages: [{ stage: 'distill', seconds: 60, tasks: 24 }],
})
