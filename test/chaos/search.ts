import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'

/** Stages of the pipeline `puzzle`. */
const stages =
  'prepare profile check-limits capture distill score solve evaluate select uptrain evaluate-child export report'
/** Pauses between attempts are for lost machines, not for kills on purpose. */
const soon = '{ retry: { initialInterval: 200 ms, maximumInterval: 1 s } }'
const execution = stages.split(' ').map((name) => `  ${name}: ${soon}\n`)

/** The tiny search with other amounts of training. */
const spec = (distill: string, uptrain: string) => `${tinySpec
  .replace('name: tiny', 'name: chaos')
  .replace('distill: { tokens: 60k', `distill: { tokens: ${distill}`)
  .replace('uptrain: { tokens: 80k', `uptrain: { tokens: ${uptrain}`)}
execution:
${execution.join('')}`

/**
 * Writes the search to a new folder: 45 seconds of one core, which leaves work for many kills, or a third of that.
 * @returns the folder
 */
export const writeChaosSearch = (size: 'whole' | 'short'): Promise<string> =>
  size === 'whole' ? writeTinySearch(spec('200k', '240k'), 4) : writeTinySearch(spec('100k', '120k'))
