import { S3Client } from '@aws-sdk/client-s3'
import { Failure } from '../errors/failure.js'

/** Location of a store in S3. */
export interface S3Location {
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
}

/** Reads `s3://bucket/prefix`. @throws Failure InvalidInput */
export function parseS3Location(location: string): S3Location {
  const found = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location)
  if (!found)
    throw new Failure('InvalidInput', `"${location}" is not a location in S3`, {
      remedy: 'Write s3://BUCKET or s3://BUCKET/PREFIX.',
    })
  const prefix = (found[2] ?? '').split('/').filter((part) => part !== '')
  return { bucket: found[1]!, prefix: prefix.map((part) => `${part}/`).join('') }
}

/** A client and its endpoint. */
export interface S3Access {
  readonly client: S3Client
  /** URL of a server that is not Amazon's; otherwise absent. */
  readonly endpoint?: string
}

/**
 * Opens a client with AWS's own settings, as the SDK finds them: environment, profile, the machine's role. With another
 * endpoint, the bucket is part of the path and the region has a default, as most other servers require.
 * @param maxAttempts  attempts for each request; with the back-off, ten take half a minute
 * @throws Failure InvalidInput if the endpoint is not a URL
 */
export async function openClient(maxAttempts: number): Promise<S3Access> {
  // Users need no warning about the version of Node that next year's SDK will require.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const { endpoint, region } = await settings()
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { forcePathStyle: true }),
    ...(region === undefined ? {} : { region }),
    maxAttempts,
    retryMode: 'adaptive',
    // Checksums are computed and checked here: the SHA-256 of every part and of the whole.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5_000,
      // A connection without any traffic for this long is tried again. A slow connection is not interrupted.
      socketTimeout: 60_000,
      requestTimeout: 900_000,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 32 },
      httpsAgent: { keepAlive: true, maxSockets: 32 },
    },
  })
  return { client, ...(endpoint === undefined ? {} : { endpoint }) }
}

/** Finds the endpoint and region wherever the SDK looks for them. The region is only set if the SDK would find none. */
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

/** Whether the object does not exist (or the bucket, for requests whose answer has no body). */
export const isMissing = (error: unknown): boolean => {
  const { name = '' } = error as ServiceError
  return name === 'NoSuchKey' || name === 'NotFound' || (status(error) === 404 && !name.startsWith('NoSuch'))
}

/** Whether a conditional request failed because another writer was first. */
export const isPrecondition = (error: unknown): boolean => status(error) === 412 || status(error) === 409

/** Whether the SDK could not read the answer: its parser throws whatever its code happens to. */
const isUnreadable = (error: unknown): boolean => error instanceof Error && '$response' in error && !('$fault' in error)

const anS3Server = 'Check that it is an S3 server.'

/** Converts an error of the SDK to a failure with a remedy, without any key or signature. A defect stays as it is. */
export function s3Failure(error: unknown, location: string, endpoint?: string): unknown {
  const { name = 'Error', message = '', code } = error as ServiceError
  if (error instanceof Failure || isOwnDefect(error) || localCodes.includes(code ?? '')) return error
  const http = status(error)
  const fail = (text: string, remedy: string) => new Failure('NoServer', text, { remedy, cause: error })
  const where = endpoint ?? 'Amazon S3'
  if (isUnreadable(error)) return fail(`${where} gives an unreadable answer about ${location}`, anS3Server)
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
  return fail(`${where} refuses a request to ${location}: ${name}, HTTP ${http}`, anS3Server)
}

/** Errors of local files that are sent or written. The owners of the files report them. */
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

/** Whether it is an error in this program, and not of the network. */
const isOwnDefect = (error: unknown): boolean =>
  !isUnreadable(error) &&
  (error instanceof TypeError || error instanceof RangeError || /^Internal error/.test((error as Error).message))
