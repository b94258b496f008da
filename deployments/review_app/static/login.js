// Who has logged out leaves nothing in the browser's tab. A session that has ended by itself is no logging out.

if (new URLSearchParams(location.search).has('out')) sessionStorage.clear()
