import { afterEach, expect, test, vi } from 'vitest'
import Long from 'long'
import { ensureServer } from '../../server/index.js'
import { serverTimeout, testServer } from '../temporal.js'

afterEach(() => vi.unstubAllEnvs())

test(
  'a namespace whose search attributes are of other types than ours is refused, with what to do',
  async () => {
    const { address, client } = await testServer()
    const { workflowService, operatorService } = client.connection
    const namespace = `typed-${process.pid}`
    const workflowExecutionRetentionPeriod = { seconds: Long.fromNumber(30 * 86_400) }
    await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod })
    // A new namespace reaches the parts of a server within seconds.
    await vi.waitFor(
      () => operatorService.addSearchAttributes({ namespace, searchAttributes: { PuzzleSpec: 4 } }),
      60_000,
    )
    await client.connection.close()
    vi.stubEnv('TEMPORAL_ADDRESS', address)
    vi.stubEnv('TEMPORAL_NAMESPACE', namespace)
    const wanted =
      'PuzzleModel (keyword), PuzzleSpec (keyword), PuzzleStage (keyword), PuzzleProgress (double), PuzzleStatus (keyword)'
    await expect(ensureServer({ address, log: () => undefined })).rejects.toMatchObject({
      kind: 'NoServer',
      message: `The server at ${address} has search attributes of the wrong type: PuzzleSpec`,
      remedy: `Remove them from the namespace "${namespace}", and add: ${wanted}.`,
    })
  },
  serverTimeout,
)
