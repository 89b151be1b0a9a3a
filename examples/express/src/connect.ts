// Calling Connect with nothing but fetch: a key, an Idempotency-Key on every POST, errors with their code.

import { randomUUID } from "node:crypto";

const baseUrl = required("CONNECT_URL").replace(/\/$/, "");
const apiKey = required("CONNECT_KEY");

export interface Flow {
  id: string;
  status: "open" | "complete" | "expired";
  url: string | null;
  patient_id: string;
  connections: { id: string | null; connection_id: string; status: string; failure_code: string | null }[];
}

export interface RecordPage {
  data: { source: string; resource: { resourceType: string; id: string } }[];
  has_more: boolean;
  next_cursor: string | null;
}

export class ConnectError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string,
  ) {
    super(`${status} ${code}: ${message} [request ${requestId}]`);
  }
}

export async function call<T>(method: "GET" | "POST", path: string, body?: object): Promise<T> {
  const answer = await fetch(baseUrl + path, {
    method,
    headers: {
      Authorization: `Bearer ${apiKey}`,
      ...(method === "POST" ? { "Content-Type": "application/json", "Idempotency-Key": randomUUID() } : {}),
    },
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(30_000),
  });
  const told = await answer.json();
  if (!answer.ok) throw new ConnectError(answer.status, told.error.code, told.error.message, told.error.request_id);
  return told as T;
}

export function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}
