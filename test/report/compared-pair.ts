import type { ComparedRun } from '../../report/comparison.js'
import { searchReport } from './search-report.js'

/** Two searches with everything that a page can show of them. @param text  stands for every text that comes from outside */
export function comparedPair(text: string): ComparedRun[] {
  const { result } = searchReport({ text })
  const run = (name: string, attention: string): ComparedRun => ({
    run: name,
    parent: { name: text, digest: 'a'.repeat(64) },
    scenario: text,
    measuredOn: 'd'.repeat(64),
    machine: name,
    settings: { [text]: name },
    seconds: 100,
    found: {
      kind: 'search',
      result: { ...result, child: { ...result.child, layers: [{ attention, ffn: text }] } },
    },
  })
  return [run('first', 'variant-1'), run(text, text)]
}
