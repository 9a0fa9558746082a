import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'
import { writeFileSync } from 'node:fs'

/** What is bundled. */
export type Workflows = {
  readonly workflowsPath: string
  /** Of a module in the bundle; default: Temporal's own. */
  readonly failureConverterPath?: string
}

/** Bundles workflows as the sandbox takes them, by the paths given: what they link to is not asked. */
export async function bundleWorkflows(workflows: Workflows): Promise<string> {
  const symlinks = !process.execArgv.includes(asNamed)
  const { code } = await bundleWorkflowCode({
    ...workflows,
    logger: new DefaultLogger('WARN'),
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, symlinks },
      resolveLoader: { ...config.resolveLoader, symlinks },
    }),
  })
  return code
}

/** Node's flag for modules that are known by the links through which they are imported. */
export const asNamed = '--preserve-symlinks'

// As a process of its own (workflow-bundle.ts).
const [, , order, target] = process.argv
if (process.execArgv.includes(asNamed) && order !== undefined && target !== undefined)
  writeFileSync(target, await bundleWorkflows(JSON.parse(order) as Workflows))
