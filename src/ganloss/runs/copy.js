// Commands to copy.
async function copy(pre) {
  try { await navigator.clipboard.writeText(pre.textContent); return "Copied"; } catch { /* by hand */ }
  const range = document.createRange();
  range.selectNodeContents(pre);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  return document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
}
for (const button of document.querySelectorAll(".copy")) {
  button.setAttribute("aria-label", "Copy: " + button.previousElementSibling.textContent);
  button.addEventListener("click", async () => {
    const word = await copy(button.previousElementSibling);
    button.textContent = word;
    byId("copied").textContent = word + ".";
    setTimeout(() => { button.textContent = "Copy"; byId("copied").textContent = ""; }, 2500);
  });
}
