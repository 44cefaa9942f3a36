"""What people read: the release's report, its spreadsheet of issues, and the vendor's rejection report."""
