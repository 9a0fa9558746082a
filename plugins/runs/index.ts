import { Failure, type RunType } from '../api/index.js'
import { drop } from './drop.js'
import { fuseFfn } from './fuse-ffn.js'
import { merge } from './merge.js'

/** The run types that come with puzzleflow. */
export const builtInRuns = [drop, merge, fuseFfn] as unknown as readonly RunType[]

/** @throws Failure when there is none of that name */
export function runType(name: string): RunType {
  const type = builtInRuns.find((own) => own.name === name)
  if (!type) throw new Failure('InvalidInput', `There is no run type "${name}"`)
  return type
}
