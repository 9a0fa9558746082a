import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'

/** Stages of the pipeline `puzzle`. */
const stages =
  'prepare profile check-limits capture distill score solve refine evaluate select uptrain check-child improve evaluate-child export report'
/** Long pauses between attempts are meant for lost machines, not for deliberate kills. */
const soon = '{ retry: { initialInterval: 200 ms, maximumInterval: 1 s } }'
const execution = stages.split(' ').map((name) => `  ${name}: ${soon}\n`)

/** The tiny search with different amounts of training, and with costs that are the same in every search. */
const spec = (distill: string, uptrain: string) => `${tinySpec
  .replace('name: tiny', 'name: chaos')
  .replace('  limits:\n', '  profile: ./costs.json\n  limits:\n')
  .replace('distill: { tokens: 60k', `distill: { tokens: ${distill}`)
  .replace('uptrain: { tokens: 80k', `uptrain: { tokens: ${uptrain}`)}
execution:
${execution.join('')}`

/** An undisturbed search takes 15, 45 or 400 processor seconds; in the largest, the cost of new processes matters little. */
export type Size = 'short' | 'whole' | 'large'

/** Writes the search to a new folder and returns it. */
export const writeChaosSearch = (size: Size): Promise<string> => {
  const [distill, uptrain, layers] = (
    {
      short: ['100k', '120k', 2],
      whole: ['200k', '240k', 4],
      large: ['2M', '2400k', 4],
    } as const
  )[size]
  return writeTinySearch(spec(distill, uptrain), layers)
}
