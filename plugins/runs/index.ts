import { defineRunType, Failure, type Runs, type RunType } from '../../api/index.js'
import { drop } from './drop.js'
import { fuseFfn } from './fuse-ffn.js'
import { merge } from './merge.js'

/** The run types that come with puzzleflow. */
export const builtInRuns: readonly RunType[] = [
  defineRunType(drop),
  defineRunType(merge),
  defineRunType(fuseFfn),
]

/** Creates a registry of run types. @throws Failure `PluginBug` if two have the same name */
export function makeRuns(types: readonly RunType[] = builtInRuns): Runs {
  const byName = new Map<string, RunType>()
  for (const type of types) {
    if (byName.has(type.name)) throw new Failure('PluginBug', `There are two run types named "${type.name}"`)
    byName.set(type.name, type)
  }
  return {
    has: (name) => byName.has(name),
    list: () => [...byName.values()],
    get(name) {
      const type = byName.get(name)
      if (!type)
        throw new Failure('InvalidInput', `There is no run type "${name}"`, {
          remedy: 'Add the plugin that has it to `plugins:` in the spec.',
        })
      return type
    },
  }
}
