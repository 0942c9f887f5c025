// Copies the page's address; where the clipboard is closed to us, selects it in a prompt instead.

export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy link"), 1500);
    } catch {
      window.prompt("Copy this link", window.location.href);
    }
  };
}
