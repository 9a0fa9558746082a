import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openClient } from '../../store/s3-client.js'
import { temporaryFolder } from '../temporary-folder.js'

/** Where requests go, as AWS's own settings say in each of their places. */
let folder: string
beforeEach(() => {
  folder = temporaryFolder('aws')
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'))
})
afterEach(() => vi.unstubAllEnvs())

async function found(config: string, environment: Readonly<Record<string, string>>) {
  writeFileSync(join(folder, 'config'), config)
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  const { client, endpoint } = await openClient(1)
  const region = await client.config.region().catch(() => 'none')
  const { forcePathStyle } = client.config
  client.destroy()
  return { endpoint, inPath: forcePathStyle, region }
}

const profile = '[profile x]\nregion = eu-west-1\nendpoint_url = http://x:9000\n'
const services =
  '[profile x]\nregion = eu-west-1\nservices = own\n[services own]\ns3 =\n  endpoint_url = http://s:9000\n'
const custom = (endpoint: string, region: string) => ({ endpoint, inPath: true, region })
const amazon = (region: string) => ({ endpoint: undefined, inPath: false, region })

test.each<[string, string, Record<string, string>, object]>([
  ['nothing', '', {}, amazon('none')],
  ['a region', '', { AWS_REGION: 'eu-north-1' }, amazon('eu-north-1')],
  ['the region of AWS’s own command', '', { AWS_DEFAULT_REGION: 'eu-north-1' }, amazon('eu-north-1')],
  ['both regions', '', { AWS_DEFAULT_REGION: 'a', AWS_REGION: 'b' }, amazon('b')],
  ['an endpoint', '', { AWS_ENDPOINT_URL: 'http://e:1' }, custom('http://e:1', 'us-east-1')],
  [
    'one of S3',
    '',
    { AWS_ENDPOINT_URL: 'http://e:1', AWS_ENDPOINT_URL_S3: 'http://s:1' },
    custom('http://s:1', 'us-east-1'),
  ],
  [
    'an endpoint and a region',
    '',
    { AWS_ENDPOINT_URL: 'http://e:1', AWS_DEFAULT_REGION: 'a' },
    custom('http://e:1', 'a'),
  ],
  ['a profile', profile, { AWS_PROFILE: 'x' }, custom('http://x:9000', 'eu-west-1')],
  ['another profile', profile, { AWS_PROFILE: 'y' }, amazon('none')],
  ['the profile without a name', '[default]\nendpoint_url = http://d:1\n', {}, custom('http://d:1', 'us-east-1')],
  ['the services of a profile', services, { AWS_PROFILE: 'x' }, custom('http://s:9000', 'eu-west-1')],
  [
    'a profile, and an endpoint before it',
    profile,
    { AWS_PROFILE: 'x', AWS_ENDPOINT_URL: 'http://e:1' },
    custom('http://e:1', 'eu-west-1'),
  ],
  [
    'endpoints that are to be ignored',
    profile,
    { AWS_PROFILE: 'x', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
    amazon('eu-west-1'),
  ],
])('settings of %s', async (_, config, environment, expected) => {
  expect(await found(config, environment)).toEqual(expected)
})

test('an endpoint that is not a URL is refused, with where it may be written', async () => {
  await expect(found('', { AWS_ENDPOINT_URL: 'localhost:9000' })).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: 'The S3 endpoint "localhost:9000" is not a URL',
    remedy: 'Write http://HOST:PORT or https://HOST, in AWS_ENDPOINT_URL or endpoint_url of the AWS profile.',
  })
})
