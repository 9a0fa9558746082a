/** A child process that loads plugins, answers one question about them and ends. */
import '../../tensor/telemetry.js'
import { Failure } from '../../api/index.js'
import type { Answer, Question } from './ask.js'
import { importPlugin } from './import.js'
import { withPlace } from '../place.js'
import { blockAnatomy, describeType, familyAnatomy, runAnatomy, stageAnatomy } from './type-fields.js'

async function answer(question: Question): Promise<unknown> {
  switch (question.kind) {
    case 'describe': {
      const { plugin } = question
      const { blocks = [], stages = [], runs = [], families = [], pipelines = {} } = await importPlugin(plugin)
      return {
        name: plugin.name,
        version: plugin.version,
        blocks: blocks.map((type) => describeType(type, blockAnatomy(type))),
        stages: stages.map((stage) => describeType(stage, stageAnatomy(stage))),
        runs: runs.map((type) => describeType(type, runAnatomy(type))),
        families: families.map((type) => describeType(type, familyAnatomy(type))),
        pipelines,
      }
    }
    case 'needs': {
      const [{ needsOf }, { loadPlugins }, { withCode }] = await Promise.all([
        import('../inspect/resources.js'),
        import('../registry.js'),
        import('./load.js'),
      ])
      const { plan } = question
      return needsOf(plan, await withCode(loadPlugins(), plan.plugins))
    }
    case 'inspect': {
      // Only here: the built-in types bring the engine with them, which takes a while to load.
      const [{ inspectModel }, { loadPlugins }, { withCode }] = await Promise.all([
        import('../inspect/model.js'),
        import('../registry.js'),
        import('./load.js'),
      ])
      const loaded = await withCode(loadPlugins(), question.plugins)
      return inspectModel(question.inputs, loaded, (type) => loaded.originOf(type) !== undefined)
    }
  }
}

const send = (message: Answer) => process.send?.(message)

process.once('message', (question: Question) => {
  answer(question).then(
    (value) => send({ kind: 'answer', value }),
    (thrown: unknown) => {
      const error = withPlace(thrown)
      send({
        kind: 'failed',
        ...(error instanceof Failure ? { failure: error.kind } : {}),
        message: error instanceof Error ? error.message : String(error),
      })
    },
  )
})
process.on('disconnect', () => process.exit(0))
