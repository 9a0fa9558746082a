import { dirname, relative } from 'node:path'
import { harnessFiles } from '../../data/harness/read.js'
import { taskFiles, tasksProblem } from '../../data/task-items.js'
import { modelFiles, modelProblem } from '../../model/index.js'
import type { Registry } from '../../spec/registry.js'

/** What is read of paths with a format of their own. */
export const inputContents: NonNullable<Registry['contents']> = {
  model: { files: modelFiles, problem: modelProblem },
  tasks: { files: taskFiles, problem: tasksProblem },
  harness: {
    ofFile: true,
    files: async (path) => (await harnessFiles(path)).map((file) => relative(dirname(path), file)).sort(),
  },
}
