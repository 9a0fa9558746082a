import { S3Client } from '@aws-sdk/client-s3'
import { Failure } from '../errors/failure.js'

/** Where a store in S3 lies. */
export interface S3Location {
  readonly bucket: string
  /** '' or ends with a slash. */
  readonly prefix: string
}

/** Reads `s3://bucket/prefix`. @throws Failure InvalidInput */
export function parseS3Location(location: string): S3Location {
  const found = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location)
  if (!found)
    throw new Failure('InvalidInput', `"${location}" is not a place in S3`, {
      remedy: 'Write s3://BUCKET or s3://BUCKET/PREFIX.',
    })
  const prefix = (found[2] ?? '').split('/').filter((part) => part !== '')
  return { bucket: found[1]!, prefix: prefix.map((part) => `${part}/`).join('') }
}

/** A client, and where its requests go. */
export interface S3Access {
  readonly client: S3Client
  /** Of a server that is not Amazon's. */
  readonly endpoint?: string
}

/**
 * A client with AWS's own settings, as the SDK finds them: environment, profile, the machine's role. With an endpoint of
 * its own, buckets are named in the path and the region has a default, as most other servers want it.
 * @param maxAttempts  of each request; with the back-off ten take half a minute
 * @throws Failure InvalidInput when the endpoint is not a URL
 */
export async function openClient(maxAttempts: number): Promise<S3Access> {
  // Which version of Node next year's SDK will need does not concern those who run a search.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const { endpoint, region } = await settings()
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { forcePathStyle: true }),
    ...(region === undefined ? {} : { region }),
    maxAttempts,
    retryMode: 'adaptive',
    // Digests are given and checked here: sha256 of every part and of the whole.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5_000,
      // Nothing moves for so long: another attempt. A slow connection is only slow.
      socketTimeout: 60_000,
      requestTimeout: 900_000,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 32 },
      httpsAgent: { keepAlive: true, maxSockets: 32 },
    },
  })
  return { client, ...(endpoint === undefined ? {} : { endpoint }) }
}

/** What the SDK finds of endpoint and region, in whichever of its places; the region only where it would find none itself. */
async function settings(): Promise<{ endpoint?: string | undefined; region?: string | undefined }> {
  const { config } = new S3Client({})
  const endpoint = await config.serviceConfiguredEndpoint?.()
  if (endpoint !== undefined && !/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : ''))
    throw new Failure('InvalidInput', `The S3 endpoint "${endpoint}" is not a URL`, {
      remedy: 'Write http://HOST:PORT or https://HOST, in AWS_ENDPOINT_URL or endpoint_url of the AWS profile.',
    })
  const known = await config.region().then(
    () => true,
    () => false,
  )
  const otherwise = process.env.AWS_DEFAULT_REGION ?? (endpoint === undefined ? undefined : 'us-east-1')
  return { endpoint, region: known ? undefined : otherwise }
}

interface ServiceError {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

const status = (error: unknown): number | undefined => (error as ServiceError).$metadata?.httpStatusCode

/** There is no such object (or, for requests without a body in the answer, no such bucket). */
export const isMissing = (error: unknown): boolean => {
  const { name = '' } = error as ServiceError
  return name === 'NoSuchKey' || name === 'NotFound' || (status(error) === 404 && !name.startsWith('NoSuch'))
}

/** Another writer was first: of a conditional request. */
export const isPrecondition = (error: unknown): boolean => status(error) === 412 || status(error) === 409

/** What a user can act on in place of an error of the SDK; a defect as it is. Never holds a key or a signature. */
export function s3Failure(error: unknown, location: string, endpoint?: string): unknown {
  const { name = 'Error', message = '', code } = error as ServiceError
  if (error instanceof Failure || isOwnDefect(error) || localCodes.includes(code ?? '')) return error
  const http = status(error)
  const fail = (text: string, remedy: string) => new Failure('NoServer', text, { remedy, cause: error })
  const where = endpoint ?? 'Amazon S3'
  if (/^Region is missing/.test(message))
    return fail(`The region of ${location} is not known`, 'Set AWS_REGION, or region in the AWS profile.')
  if (name === 'CredentialsProviderError' || /Could not load credentials/.test(message))
    return fail(
      `There are no credentials for ${location}`,
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
    )
  if (name === 'NoSuchBucket')
    return fail(`There is no bucket for ${location} at ${where}`, 'Create it, or correct --store.')
  if (http === 507 || /StorageFull|QuotaExceeded|InsufficientStorage/.test(name))
    return new Failure('OutOfDisk', `The store ${location} is full (${name})`, {
      remedy: 'Free some space (`npx puzzleflow artifacts gc`), or choose another store with --store.',
      cause: error,
    })
  if (http === 401 || http === 403 || /UserNotFound|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken/.test(name))
    return fail(
      `${where} refuses access to ${location} (${name === 'Unknown' ? `HTTP ${http}` : name})`,
      'Check that the credentials are valid and may list, read, write and delete there.',
    )
  if (code !== undefined || http === undefined || http >= 500 || http === 429)
    return fail(
      `The store ${location} does not answer: ${where}, ${code ?? (http ? `HTTP ${http}` : name)}`,
      'Check that the endpoint (AWS_ENDPOINT_URL, or endpoint_url of the AWS profile) is right and its server is running. Finished work is kept.',
    )
  return fail(`${where} refuses a request to ${location}: ${name}, HTTP ${http}`, 'Check that it is an S3 server.')
}

/** Errors of local files that are sent or written: the owners of the files report them. */
const localCodes = [
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EACCES',
  'EPERM',
  'EIO',
  'ENOENT',
  'EISDIR',
  'ENOTDIR',
  'EMFILE',
  'ENFILE',
]

/** An error of this program, not of the network. */
const isOwnDefect = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || /^Internal error/.test((error as Error).message)
