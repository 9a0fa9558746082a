import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'

/** Stages of the pipeline `puzzle`, whose pauses between attempts are for lost machines, not for kills on purpose. */
const stages = 'prepare profile check-limits capture distill score solve evaluate select uptrain evaluate-child export'

/** The tiny search with more to do, so that a kill finds it at work: a minute of one core. */
const spec = `${tinySpec
  .replace('name: tiny', 'name: chaos')
  .replace('distill: { tokens: 60k', 'distill: { tokens: 120k')
  .replace('uptrain: { tokens: 80k', 'uptrain: { tokens: 160k')}
execution:
${[...stages.split(' '), 'report'].map((name) => `  ${name}: { retry: { initialInterval: 200 ms, maximumInterval: 1 s } }\n`).join('')}`

/** Writes the search to a new folder. @returns the folder */
export const writeChaosSearch = (): Promise<string> => writeTinySearch(spec, 4)
