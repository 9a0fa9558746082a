import { parseArgs } from 'node:util'
import { tableNames } from './tables.mjs'

export const usage = `npm run ablations -- [--quick] [--kept] [--only ${tableNames.slice(0, 2).join(',')}] [--seeds 1,2] [--profile FILE]
                     [--folder DIR] [--store DIR] [--out FILE]
  --quick    less training: a few minutes a table
  --only     tables: ${tableNames.join(', ')}
  --seeds    whole numbers; every table is repeated with each (default: 1)
  --profile  a cost table of \`puzzleflow profile\` (default: measured once, and kept in the folder)
  --folder   for the cost table, checkpoints and figures (default: runs/ablations)
  --store    for what searches share (default: FOLDER/store)
  --kept     runs nothing: writes what has been measured so far
  --out      the document (default: docs/results.md)`

/** Tokens, and how children are measured. Equal in all arms, but for those that are about them. */
const thorough = { distill: 42_000, uptrain: 190_000, batch: 32, items: 240, sequences: 96 }
const quick = { distill: 21_000, uptrain: 64_000, batch: 16, items: 120, sequences: 96 }

/** Reads the command's options. @returns them, or `problem`: a sentence */
export function readOptions(args) {
  let values
  try {
    values = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        seeds: { type: 'string', default: '1' },
        profile: { type: 'string' },
        folder: { type: 'string', default: 'runs/ablations' },
        store: { type: 'string' },
        out: { type: 'string', default: 'docs/results.md' },
        kept: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return { problem: error.message }
  }
  const only = values.only?.split(',').map((name) => name.trim()) ?? tableNames
  const unknown = only.find((name) => !tableNames.includes(name))
  if (unknown !== undefined)
    return { problem: `--only: there is no table "${unknown}". There are: ${tableNames.join(', ')}.` }
  const seeds = values.seeds.split(',').map((seed) => seed.trim())
  const wrong = seeds.find((seed) => !/^\d{1,9}$/.test(seed))
  if (wrong !== undefined) return { problem: `--seeds: "${wrong}" is not a whole number of at least 0.` }
  return {
    ...values,
    only,
    seeds: [...new Set(seeds.map(Number))],
    store: values.store ?? `${values.folder}/store`,
    sizes: values.quick ? quick : thorough,
    args,
  }
}
