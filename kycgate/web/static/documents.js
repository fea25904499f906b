// Sends pictures of a document and the lines typed from it. Shows a slip while it can be mended.
import { answer, say } from "./api.js";

export async function open({ fill }) {
  fill("#t-documents");
  void answer;
  void say;
}
