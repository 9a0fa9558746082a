// All arms, one after the other; the document is written anew after each.
import { resolve } from 'node:path'
import { readFileSync } from 'node:fs'
import { commit, machine, today } from '../about.mjs'
import { writePage } from '../pages.mjs'
import { choose } from './choosing.mjs'
import { documentText } from './document.mjs'
import { Laboratory } from './measuring.mjs'
import { Searches } from './searches.mjs'
import { tables } from './tables.mjs'

const usualLosses = ['cosine', 'kl']

/** @param options  of the command */
export async function runAblations(options) {
  const { seeds, sizes, only, folder } = options
  const searches = new Searches(options)
  const laboratory = new Laboratory(searches.folder, sizes, options.kept)
  const chosen = tables.filter(({ name }) => only.includes(name))
  const results = Object.fromEntries(tables.map(({ name }) => [name, seeds.map(() => ({}))]))
  const costs = JSON.parse(readFileSync(searches.costs(), 'utf8'))
  let parent
  const write = async () => {
    const about = { ...aboutRun(options, costs), sizes, seeds }
    const text = documentText({ tables: chosen, results, about, parent })
    await writePage(resolve(options.out), text)
  }
  const arms = chosen.flatMap((table) => table.arms.map((arm) => ({ table, arm })))
  const isDrawn = ({ table, arm }) => table.together?.arms.includes(arm.name) === true
  const drawn = arms.filter(isDrawn)
  // Random choices are many and say least: they come last, and all are measured before the first is uptrained.
  const order = [...arms.filter((own) => !isDrawn(own)), ...drawn.map((own) => ({ ...own, untrained: true })), ...drawn]
  for (const [i, seed] of seeds.entries())
    for (const { table, arm, untrained } of order) {
      const began = performance.now()
      const search = await searches.scored(seed, changesOf(arm, sizes), arm.scoring)
      if (!search) continue
      parent ??= await laboratory.ofParent(search)
      const child = await choose(search, arm, () => searches.removals(seed))
      const { reason, objective, speed } = child
      const measured = async () => {
        const { before, after } = await laboratory.ofChild(search, child, untrained ? [] : (arm.losses ?? usualLosses))
        return before && { seed, objective, speed, before, ...(!untrained && after && { after }) }
      }
      results[table.name][i][arm.name] = reason === undefined ? await measured() : { reason }
      if (options.kept) continue
      await write()
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.error(`seed ${seed}, ${table.name}, ${arm.label ?? arm.name}: ${reason ?? `${seconds} s`}`)
    }
  if (options.kept) await write()
  else searches.end()
  console.error(`Wrote ${options.out}. Figures and checkpoints: ${folder}`)
}

/** Parameters of `distill` of an arm. */
const changesOf = ({ distill = {}, tokens = 1 }, sizes) => ({
  ...distill,
  ...(tokens !== 1 && { tokens: Math.round(tokens * sizes.distill) }),
})

function aboutRun({ args }, { fingerprint }) {
  const { processor, cores, threads } = fingerprint
  const shown = withoutPaths(args)
  return {
    command: ['npm run ablations', ...(shown.length > 0 ? ['--', ...shown] : [])].join(' '),
    commit: commit(),
    date: today(),
    machine: machine(),
    costs: `measured once, on ${processor}, ${cores} cores, with ${threads} thread${threads === 1 ? '' : 's'}`,
    limit: 'throughput at least 2.17 times the parent’s, as in the quickstart, with a margin of 5 %, as predicted',
  }
}

/** The options that figures depend on: places are nobody else's business. */
const withoutPaths = (args) => {
  const places = ['--folder', '--store', '--out', '--profile']
  return args.filter(
    (own, i) =>
      own !== '--kept' &&
      !places.includes(own) &&
      !places.includes(args[i - 1]) &&
      !places.some((place) => own.startsWith(`${place}=`)),
  )
}
