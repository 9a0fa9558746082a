import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { openStore } from '../../store/index.js'
import { storeContract } from './contract.js'
import { S3Server, s3Program } from './s3-server.js'
import { temporaryFolder } from '../temporary-folder.js'

const program = await s3Program()
const why = 'missing' in program ? ` (skipped: ${program.missing})` : ''

describe.skipIf('missing' in program)(`a store in S3${why}`, () => {
  let server: S3Server
  let count = 0
  beforeAll(async () => {
    server = await S3Server.start((program as { path: string }).path)
    Object.assign(process.env, server.environment())
  })
  afterAll(() => server.stop())

  storeContract(() => {
    const prefix = `store-${count++}`
    const location = `s3://${server.bucket}/${prefix}`
    const dayAgo = new Date(Date.now() - 24 * 60 * 60_000)
    const file = (name: string) => server.file(`${prefix}/${name}`)
    const elsewhere = () => {
      const home = temporaryFolder('machine')
      Object.assign(process.env, { XDG_CACHE_HOME: join(home, 'cache'), XDG_STATE_HOME: join(home, 'state') })
    }
    return {
      location,
      open: () => {
        elsewhere()
        return openStore(location)
      },
      file,
      age: (name) => utimesSync(file(name), dayAgo, dayAgo),
    }
  })
})
